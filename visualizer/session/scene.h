#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "visualizer/layout/arrangement.h"
#include "visualizer/model/event_selector.h"
#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// A moment at which a scene stops to say something.
struct Beat {
  EventSelector at{"start"};
  std::string text;
  std::string question, answer;  // shown one after the other; empty: none
  int device = -1, row = -1;     // to select; -1: as before
  std::string zoom;              // the panel that fills the screen; empty: none
  std::string matrix;            // "who", "when" or "score"; empty: as before
  bool critical_path = false;
  int run = -1;             // of the runs, the one that _at_ speaks of; -1: the first that has such an event
  Arrangement arrangement;  // instead of that of the scene; empty: that of the scene

  bool has_arrangement() const { return !arrangement.panel.empty() || !arrangement.parts.empty(); }
};

// One run of a scene, and what to call it where several are compared.
struct SceneRun {
  std::string title;
  RunConfig config;
};

// A finished explanation: runs of the real engine, what is shown of them, and beats.
struct Scene {
  std::string id, title, takeaway;
  std::vector<SceneRun> runs;
  Arrangement arrangement;
  std::vector<Beat> beats;
  bool free = false;  // the spectator may turn everything about its run
};

// Throws BadInput, with _where_ in front, where the text is not a scene
Scene parse_scene(std::string_view json, const std::string& where);

// The scenes that the program brings, in the order in which they are told
const std::vector<Scene>& scenes();

// Throws BadInput where there is none of that id
const Scene& find_scene(const std::string& id);

}  // namespace ringattn::viz
