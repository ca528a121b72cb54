#pragma once

#include <string>
#include <vector>

#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

// A line of the inspector: a name and a value, optionally with a link.
struct InspectorFact {
  std::string name, value;
  Target link;    // target of a click; nothing: no link
  EventId event;  // the event that shows the value
};

// The facts about one target: exact numbers, and formulas with the numbers inserted.
struct InspectorPage {
  std::string title;
  EventId event;
  std::vector<InspectorFact> facts;
  std::vector<std::string> formulas;

  void add(std::string name, std::string value, Target link = {}, EventId id = {}) {
    facts.push_back({std::move(name), std::move(value), std::move(link), id});
  }
  void add_device(std::string name, int device, EventId id) {
    add(std::move(name), "device " + std::to_string(device), Target::device(device), id);
  }
  void add_block(std::string name, int owner, EventId id) {
    add(std::move(name), "block " + std::to_string(owner), Target::block(owner), id);
  }
  // Adds a link such as "compute 2.5"
  void add_event(std::string name, const Event& event);
};

// The page of a target. The title is empty if there is nothing to show
InspectorPage inspector_page(const Frame& frame, const Target& target);
InspectorPage event_page(const Frame& frame, EventId id);

// Six significant digits
std::string exact_number(double x);

}  // namespace ringattn::viz
