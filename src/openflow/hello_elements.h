// What follows the header of a HELLO: elements, of which only the version bitmap is known.
#pragma once

#include "openflow/codec.h"

namespace sluice::openflow {

/// Whether all of it is bitmaps that name versions, whole and padded.
bool understands_hello(Bytes elements);

}  // namespace sluice::openflow
