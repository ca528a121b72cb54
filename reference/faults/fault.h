#pragma once

#include <optional>
#include <string>
#include <vector>

#include "reference/faults/faulty_link.h"
#include "reference/faults/faulty_state.h"

namespace ringattn {

// A fault of a run, by name. Neither member is set: the run is correct.
struct Fault {
  std::optional<StateFault> state;
  std::optional<LinkFault> link;

  // Whether the run ends in a deadlock, which needs one thread for each device
  bool ends_in_deadlock() const;
};

// "no_rescale", "no_maximum", ...: the faults of the state, then those of a link
std::vector<std::string> fault_names();

// The fault of that name in a ring; none for the empty name. Throws BadInput unless the fault is known and has an
// effect in this ring
Fault parse_fault(const std::string& name, int devices, Rotation rotate);

// Decorates the links of a ring with the fault, if it is one of a link, and then with _links_, if given
template <class T>
LinkDecorator<T> with_link_fault(const Fault& fault, const LinkDecorator<T>& links = {}) {
  if (!fault.link) return links;
  const auto inside = std::make_shared<std::unique_ptr<Link<T>>>();  // the faulty link that _links_ decorates
  return [=](Link<T>& inner, RunMonitor& monitor) -> std::unique_ptr<Link<T>> {
    auto faulty = std::make_unique<FaultyLink<T>>(inner, *fault.link);
    if (!links) return faulty;
    *inside = std::move(faulty);
    return links(**inside, monitor);
  };
}

}  // namespace ringattn
