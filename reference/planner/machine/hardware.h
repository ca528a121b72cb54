#pragma once

#include <optional>
#include <string>
#include <vector>

#include "reference/planner/machine/link_rate.h"

namespace ringattn::planner {

// A processor with its own memory: one device of the plan. All figures are those of the maker or of the paper that
// _source_ names.
struct Chip {
  std::string name;
  double peak_flops = 0;        // operations per second of dense matrix products of bfloat16
  double memory_bytes = 0;      // makers write GB and build GiB: the driver of an 80 GB H100 reports 79.6 GiB
  std::optional<double> watts;  // at full load; empty: not published
  std::string node_link;        // the preset of the links inside a node
  std::string source;
};

// A link from one device to another, and the energy of its bits.
struct LinkType {
  std::string name;
  LinkRate rate = LinkRate::gigabytes_per_second(0);  // in one direction, for each device
  double latency_seconds = 0;
  double joules_per_bit = 0;  // for each bit that is sent
  double watts = 0;  // of the link of one device while it is idle or busy: its optical modules are always on
  bool own_link_for_each_neighbour =
      false;  // as in a torus; behind a switch, both directions of a ring share one port
  std::string source;
};

const std::vector<Chip>& chips();
const std::vector<LinkType>& link_types();

// The preset of that name; throws BadInput if there is none
Chip chip_named(const std::string& name);

// The preset of that name, or a rate such as "50GB/s" or "400Gb/s" with the latency and the energy of a network
LinkType link_named(const std::string& text);

}  // namespace ringattn::planner
