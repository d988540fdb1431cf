// The wire of a dummy port whose options name a stream: options:pstream listens, options:stream connects
// again and again. Frames go both ways as two bytes of length in network byte order and the frame, as
// ovs-vswitchd has it; of a passive one every client gets every frame. For tests. Main thread.
#pragma once

#include <memory>
#include <string>

#include "base/log.h"
#include "base/result.h"
#include "io/event_loop.h"
#include "port/dummy/dummy_port.h"

namespace sluice::daemon {

/// @param target  "punix:PATH", "ptcp:PORT[:HOST]", "unix:PATH", "tcp:HOST:PORT"
/// @param passive  whether the target must listen or connect
/// @param logger  tells of peers that send nonsense
/// @return what to hand to port.set_wire(); `port` must have DummyOptions::announce_sent.
Result<std::unique_ptr<port::DummyWire>> make_dummy_wire(io::EventLoop& loop, port::DummyPort& port,
                                                         const std::string& target, bool passive,
                                                         log::Logger logger);

}  // namespace sluice::daemon
