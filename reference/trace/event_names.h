#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "reference/trace/event.h"

namespace ringattn {

// The words that trace files use.
std::string_view name(EventKind kind);
std::string_view name(EventPhase phase);
std::string_view name(EventLane lane);

// What a word means; nothing where it is none of the words
std::optional<EventKind> event_kind(std::string_view word);
std::optional<EventPhase> event_phase(std::string_view word);
std::optional<EventLane> event_lane(std::string_view word);

// "device.sequence"
std::string to_string(const EventId& id);
std::optional<EventId> event_id(std::string_view text);

}  // namespace ringattn
