// TFTP requests (RFC 1350 section 5): the packet after which the server answers from a port of its choice.
//
//   | opcode 1 read, 2 write | file name, 0 | mode, 0 | options (RFC 2347): name, 0, value, 0 …
#pragma once

#include "base/bytes.h"

namespace sluice::conntrack::tftp {

/// Whether the UDP payload asks for a file to be read or written.
bool is_request(Bytes payload);

}  // namespace sluice::conntrack::tftp
