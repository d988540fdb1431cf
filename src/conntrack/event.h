// What happened to a connection, as listeners are told.
#pragma once

#include <cstdint>
#include <string_view>

#include "conntrack/connection.h"

namespace sluice::conntrack {

/// Why a connection ended.
enum class End : std::uint8_t {
  Expired,
  Flushed,       ///< by command; of a flushed zone: noted when its memory is swept, counted by the flush
  Replaced,      ///< by one with the same tuple: after close, or forced
  DroppedEarly,  ///< unassured, and the table or its zone was full
};
std::string_view end_name(End end);  ///< "expired"

struct ConnectionEvent {
  enum class Kind : std::uint8_t {
    New,
    Update,  ///< the protocol's state, mark or label is another, or the first reply has come
    Destroy,
  };

  Kind kind = Kind::New;
  End why = End::Expired;         ///< of Destroy
  std::int64_t time_ns = 0;       ///< on the tracker's time line
  ConnectionSnapshot connection;  ///< as it is now; of Destroy: as it was, with its final counters
};
std::string_view event_name(ConnectionEvent::Kind kind);  ///< "new"

}  // namespace sluice::conntrack
