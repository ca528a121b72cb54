#include "reference/faults/fault.h"

#include <algorithm>
#include <iterator>

#include "reference/definition/input/bad_input.h"

namespace ringattn {

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

bool Fault::ends_in_deadlock() const {
  return link && (link->kind == LinkFaultKind::lost || link->kind == LinkFaultKind::all_send_first);
}

std::vector<std::string> fault_names() {
  std::vector<std::string> names;
  for (const NamedStateFault& each : state_faults) names.push_back(each.name);
  for (const NamedLinkFault& each : link_faults) names.push_back(each.name);
  return names;
}

Fault parse_fault(const std::string& name, int devices, Rotation rotate) {
  if (name.empty()) return {};
  if (const NamedStateFault* state = find(state_faults, name)) {
    require(rotate == Rotation::kv, "[fault] the fault ", name,
            " requires that K and V rotate; found Q; set rotate to kv");
    return {state->kind, {}};
  }
  const NamedLinkFault* link = find(link_faults, name);
  require(link, "[fault] the fault must be one that the engine can simulate; found ", name,
          "; choose no_rescale, no_maximum, masked_row_nan, partials_bf16, stale, torn, lost, twice or "
          "all_send_first");
  require(devices >= link->min_devices, "[fault] the fault ", name, " needs at least ", link->min_devices,
          " devices; found ", devices, "; use more devices");
  return {{}, LinkFault{link->kind, 1, link->hop >= 0 ? link->hop : devices - 2}};
}

}  // namespace ringattn
