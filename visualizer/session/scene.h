#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "visualizer/layout/arrangement.h"
#include "visualizer/model/event_selector.h"
#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// A moment at which a scene pauses and shows a text.
struct Beat {
  EventSelector at{"start"};
  std::string text;
  std::string question, answer;  // shown one after the other; empty: none
  int device = -1, row = -1;     // selection; -1: unchanged
  std::string zoom;              // the panel that fills the screen; empty: none
  std::string matrix;            // "who", "device", "when" or "score"; empty: unchanged
  bool critical_path = false;
  int run = -1;             // the run to which _at_ refers; -1: the first run with a matching event
  Arrangement arrangement;  // replaces the arrangement of the scene; empty: does not

  bool has_arrangement() const { return !arrangement.panel.empty() || !arrangement.parts.empty(); }
};

// One run of a scene, and its title if the scene compares several.
struct SceneRun {
  std::string title;
  RunConfig config;
};

// A prepared explanation: runs of the engine, the arrangement of the panels, and beats.
struct Scene {
  std::string id, title, takeaway;
  std::vector<SceneRun> runs;
  Arrangement arrangement;
  std::vector<Beat> beats;
  bool free = false;       // free play: the user may change all parameters of the run and play it
  std::string parameters;  // the table of parameters of the first run that the user may change; empty: none
};

// Throws BadInput, prefixed with _where_, if the text is not a scene
Scene parse_scene(std::string_view json, const std::string& where);

// The embedded scenes, in the order of presentation
const std::vector<Scene>& scenes();

// Throws BadInput if no scene has this id
const Scene& find_scene(const std::string& id);

}  // namespace ringattn::viz
