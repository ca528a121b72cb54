#include "visualizer/session/scene.h"

#include <set>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/files/json.h"
#include "visualizer/resources/embedded.h"
#include "visualizer/session/parameters.h"
#include "visualizer/session/run_fields.h"

namespace ringattn::viz {

namespace {

void allow_only(const Json& object, const std::set<std::string>& keys, const char* what) {
  for (const auto& [key, value] : object.items())
    require(keys.count(key) > 0, "[scene] a ", what, " must have known fields only; found ", in_quotes(key),
            "; see visualizer/scenes for examples");
}

// ---- Arrangements -----------------------------------------------------------------

// "ring", "timeline:1", {"columns": [...]} or {"rows": [...]}; objects may have a weight
Arrangement parse_arrangement(const Json& node) {
  if (node.is_string()) return Arrangement::named(node.get<std::string>());
  allow_only(node, {"columns", "rows", "panel", "weight"}, "arrangement");
  Arrangement arrangement;
  if (node.contains("panel")) arrangement = parse_arrangement(node.at("panel"));
  arrangement.weight = node.value("weight", 1.0f);
  arrangement.stacked = node.contains("rows");
  for (const char* parts : {"columns", "rows"})
    if (node.contains(parts))
      for (const Json& part : node.at(parts)) arrangement.parts.push_back(parse_arrangement(part));
  return arrangement;
}

// Each panel and each run must exist
void check(const Arrangement& arrangement, int runs) {
  if (arrangement.parts.empty())
    require(is_panel(arrangement.panel) && arrangement.run >= 0 && arrangement.run < runs,
            "[scene] a panel must be one of ", panel_names(), ", of one of the ", runs, " runs; found \"",
            arrangement.panel, ":", arrangement.run, "\"");
  for (const Arrangement& part : arrangement.parts) check(part, runs);
}

// ---- Beats ------------------------------------------------------------------------

Beat parse_beat(const Json& node) {
  allow_only(node,
             {"at", "text", "question", "answer", "device", "row", "zoom", "matrix", "critical_path", "run",
              "arrange"},
             "beat");
  Beat beat;
  beat.at = EventSelector(node.at("at").get<std::string>());
  beat.text = node.at("text").get<std::string>();
  beat.question = node.value("question", "");
  beat.answer = node.value("answer", "");
  beat.device = node.value("device", -1);
  beat.row = node.value("row", -1);
  beat.zoom = node.value("zoom", "");
  beat.matrix = node.value("matrix", "");
  beat.critical_path = node.value("critical_path", false);
  beat.run = node.value("run", -1);
  if (node.contains("arrange")) beat.arrangement = parse_arrangement(node.at("arrange"));
  return beat;
}

}  // namespace

Scene parse_scene(std::string_view json, const std::string& where) try {
  const Json node = Json::parse(json);
  allow_only(node, {"id", "title", "takeaway", "runs", "arrange", "beats", "free", "parameters"}, "scene");
  Scene scene;
  scene.id = node.at("id").get<std::string>();
  scene.title = node.at("title").get<std::string>();
  scene.takeaway = node.at("takeaway").get<std::string>();
  for (const Json& run : node.at("runs")) scene.runs.push_back({run.value("title", ""), parse_run(run)});
  scene.arrangement = parse_arrangement(node.at("arrange"));
  for (const Json& beat : node.at("beats")) scene.beats.push_back(parse_beat(beat));
  scene.free = node.value("free", false);
  scene.parameters = node.value("parameters", scene.free ? "run" : "");
  require(scene.parameters.empty() || !parameters(scene.parameters).empty(),
          "[scene] parameters must be run, machine or sequence; found ", in_quotes(scene.parameters));
  require(!scene.runs.empty() && !scene.beats.empty(),
          "[scene] a scene must have at least one run and one beat; add them");
  // All references to panels and runs must be valid
  const auto runs = static_cast<int>(scene.runs.size());
  check(scene.arrangement, runs);
  for (const Beat& beat : scene.beats) {
    if (beat.has_arrangement()) check(beat.arrangement, runs);
    if (!beat.zoom.empty()) check(Arrangement::named(beat.zoom), runs);
    require(beat.run < runs, "[scene] run of a beat must be less than ", runs, "; found ", beat.run);
  }
  return scene;
} catch (const std::exception& error) {
  throw BadInput(where + ": " + error.what());
}

const std::vector<Scene>& scenes() {
  static const std::vector<Scene> all = [] {
    std::vector<Scene> list;
    for (const std::string_view name : embedded_names("scenes/"))
      list.push_back(parse_scene(embedded(name), std::string(name)));
    return list;
  }();
  return all;
}

const Scene& find_scene(const std::string& id) {
  std::string ids;
  for (const Scene& scene : scenes()) {
    if (scene.id == id) return scene;
    ids += (ids.empty() ? "" : ", ") + scene.id;
  }
  throw BadInput("[scene] the scene must be one of " + ids + "; found " + in_quotes(id));
}

}  // namespace ringattn::viz
