// Protocols of fields and of flows: what action.h's usable_protocols() is made of.
#pragma once

#include "action/action.h"

namespace sluice::action {

/// The protocols whose matches can hold the field under this mask.
Protocols field_protocols(field::FieldId id, field::FieldValue mask);
OfVersion version_of(Protocols::Bit protocol);
std::string protocol_name(Protocols::Bit protocol);
/// A set or a protocol by the name that format_protocols() gives it.
std::optional<Protocols> find_protocols(std::string_view name);
/// The first that both sets have, or nothing.
std::optional<Protocols::Bit> choose_protocol(Protocols usable, Protocols allowed);

}  // namespace sluice::action
