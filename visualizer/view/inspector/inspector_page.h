#pragma once

#include <string>
#include <vector>

#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

// A line of the inspector: a number, or something else that can be pointed at.
struct InspectorFact {
  std::string name, value;
  Target link;    // where the line leads; nothing: nowhere
  EventId event;  // that says so
};

// What is known of one thing: exact numbers, and the formulas with the numbers put in.
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
  // "compute 2.5", which leads there
  void add_event(std::string name, const Event& event);
};

// Without a title where there is nothing to say
InspectorPage inspector_page(const Frame& frame, const Target& target);
InspectorPage event_page(const Frame& frame, EventId id);

// Six significant digits
std::string exact_number(double x);

}  // namespace ringattn::viz
