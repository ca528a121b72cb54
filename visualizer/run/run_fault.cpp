#include "visualizer/run/run_fault.h"

#include <algorithm>
#include <iterator>

#include "reference/definition/bad_input.h"

namespace ringattn::viz {

namespace {

struct NamedStateFault {
  const char* name;
  StateFault kind;
};
constexpr NamedStateFault state_faults[] = {{"no_rescale", StateFault::no_rescale},
                                            {"no_maximum", StateFault::no_maximum},
                                            {"masked_row_nan", StateFault::masked_row_nan},
                                            {"partials_bf16", StateFault::partials_bf16}};

struct NamedLinkFault {
  const char* name;
  LinkFaultKind kind;
  int hop;          // the hop with the fault, chosen so that it has an effect; -1: the last hop
  int min_devices;  // a smaller ring shows no effect
};
constexpr NamedLinkFault link_faults[] = {{"stale", LinkFaultKind::stale, 1, 3},
                                          {"torn", LinkFaultKind::torn, 1, 3},
                                          {"lost", LinkFaultKind::lost, -1, 2},
                                          {"twice", LinkFaultKind::twice, 0, 3},
                                          {"all_send_first", LinkFaultKind::all_send_first, 0, 2}};

template <class Named, std::size_t n>
const Named* find(const Named (&faults)[n], const std::string& name) {
  const auto found = std::find_if(std::begin(faults), std::end(faults),
                                  [&](const Named& each) { return name == each.name; });
  return found == std::end(faults) ? nullptr : found;
}

}  // namespace

void check_fault(const RunConfig& c) {
  if (c.fault.empty()) return;
  const NamedLinkFault* link = find(link_faults, c.fault);
  require(link || find(state_faults, c.fault),
          "[run] the fault must be one that the engine can simulate; found ", c.fault,
          "; choose no_rescale, no_maximum, masked_row_nan, partials_bf16, stale, torn, lost, twice or "
          "all_send_first");
  require(!link || c.devices >= link->min_devices, "[run] the fault ", c.fault, " needs at least ",
          link ? link->min_devices : 0, " devices; found ", c.devices, "; use more devices");
  require(link || c.rotate == Rotation::kv, "[run] the fault ", c.fault,
          " requires that K and V rotate; found Q; set rotate to kv");
}

std::optional<StateFault> state_fault(const RunConfig& c) {
  const NamedStateFault* named = find(state_faults, c.fault);
  return named ? std::optional(named->kind) : std::nullopt;
}

std::optional<LinkFault> link_fault(const RunConfig& c) {
  const NamedLinkFault* named = find(link_faults, c.fault);
  if (!named) return {};
  return LinkFault{named->kind, 1, named->hop >= 0 ? named->hop : c.devices - 2};
}

bool ends_in_deadlock(const RunConfig& c) { return c.fault == "lost" || c.fault == "all_send_first"; }

}  // namespace ringattn::viz
