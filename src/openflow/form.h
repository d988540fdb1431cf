// Which message bytes are, before their body is read.
#pragma once

#include "openflow/codec.h"

namespace sluice::openflow {

/// The form of a message, of a length that it can have. Errors: those that decode() has before it reads the
/// body (OFPBRC_BAD_TYPE, OFPBRC_BAD_LEN and the like).
/// @param bytes  a header at least
Result<const WireForm*> form_of(Bytes bytes, OfVersion version);

}  // namespace sluice::openflow
