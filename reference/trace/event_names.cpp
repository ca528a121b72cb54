#include "reference/trace/event_names.h"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace ringattn {

namespace {

// In the order of the enumerators
constexpr std::string_view kinds[] = {"run",     "alloc", "free",  "send",     "recv",     "wait",
                                      "compute", "row",   "merge", "grad_hop", "finalize", "check"};
constexpr std::string_view phases[] = {"begin", "end", "point"};
constexpr std::string_view lanes[] = {"compute", "send", "recv", "wait", "memory"};

static_assert(std::size(kinds) == static_cast<std::size_t>(EventKind::check) + 1);
static_assert(std::size(phases) == static_cast<std::size_t>(EventPhase::point) + 1);
static_assert(std::size(lanes) == static_cast<std::size_t>(EventLane::memory) + 1);

template <class Enum, std::size_t n>
std::optional<Enum> parse(const std::string_view (&names)[n], std::string_view wanted) {
  const auto found = std::find(std::begin(names), std::end(names), wanted);
  if (found == std::end(names)) return {};
  return static_cast<Enum>(found - std::begin(names));
}

// The text as a number; empty unless it consists of digits only
std::optional<std::int32_t> parse_count(std::string_view digits) {
  std::int32_t value = 0;
  const char* const last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, value);
  if (error != std::errc() || end != last || value < 0 || digits.front() == '-') return {};
  return value;
}

}  // namespace

std::string_view name(EventKind kind) { return kinds[static_cast<std::size_t>(kind)]; }
std::string_view name(EventPhase phase) { return phases[static_cast<std::size_t>(phase)]; }
std::string_view name(EventLane lane) { return lanes[static_cast<std::size_t>(lane)]; }

std::optional<EventKind> event_kind(std::string_view word) { return parse<EventKind>(kinds, word); }
std::optional<EventPhase> event_phase(std::string_view word) { return parse<EventPhase>(phases, word); }
std::optional<EventLane> event_lane(std::string_view word) { return parse<EventLane>(lanes, word); }

std::string to_string(const EventId& id) {
  return std::to_string(id.device) + "." + std::to_string(id.sequence);
}

std::optional<EventId> event_id(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return {};
  const auto device = parse_count(text.substr(0, dot)), sequence = parse_count(text.substr(dot + 1));
  if (!device || !sequence) return {};
  return EventId{*device, *sequence};
}

}  // namespace ringattn
