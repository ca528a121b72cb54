#include "visualizer/interaction/commands.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "visualizer/draw/theme.h"
#include "visualizer/interaction/deep_link.h"
#include "visualizer/interaction/shown_part.h"
#include "visualizer/interaction/text_input.h"

namespace ringattn::viz {

namespace {

// ---- Time -------------------------------------------------------------------------

void change_speed(Session& s, double factor) { s.speed = std::clamp(s.speed * factor, 1.0 / 16, 8.0); }

// ---- Scenes -----------------------------------------------------------------------

void open_neighbour(Session& s, int direction) {
  const std::vector<Scene>& all = scenes();
  const auto count = static_cast<int>(all.size());
  int here = s.scene() ? static_cast<int>(s.scene() - all.data()) : direction > 0 ? -1 : 0;
  s.open_scene(all[static_cast<std::size_t>((here + direction + count) % count)]);
}

// The first or last scene has no neighbour in this direction
void go_on(Session& s, bool moved, int direction) {
  const Scene* end = direction > 0 ? &scenes().back() : &scenes().front();
  if (moved || !s.scene() || s.scene() == end) return;
  open_neighbour(s, direction);
  // Backwards, begin with the end of the scene
  if (direction < 0) s.go_to_beat(s.beats() - 1), s.next_text(), s.next_text();
}

template <int number>
void open_numbered(Session& s) {
  if (number < static_cast<int>(scenes().size())) s.open_scene(scenes()[number]);
}

// ---- Selection ----------------------------------------------------------------------

void select_device(Session& s, int direction) {
  const int P = s.main_recording().devices();
  s.selection.device = (s.selection.device + direction + P) % P;
}

void select_row(Session& s, int direction) {
  const Recording& recording = s.main_recording();
  s.selection.row =
      std::clamp<Index>(s.selection.row + direction, 0, std::max<Index>(0, recording.header().Sq - 1));
  if (recording.has_row_owners() && !recording.header().queries_rotate())
    s.selection.device = recording.owner_of_query(s.selection.row);
}

void pin(Session& s) {
  Selection& selection = s.selection;
  selection.pinned = selection.pinned ? Target{} : selection.hovered;
  selection.pinned_run = selection.hovered_run;
}

// ---- Appearance ------------------------------------------------------------------------

void next_theme(Session& s) {
  const auto& all = themes();
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].name == s.settings.theme) {
      s.settings.theme = all[(i + 1) % all.size()].name;
      return;
    }
}

void scale(Session& s, double factor) {
  s.settings.scale = std::clamp(std::round(s.settings.scale * factor * 20) / 20, 0.75, 3.0);
}

// Zooms the panel under the pointer, otherwise the first panel; zooms out if a panel is zoomed
void zoom(Session& s) {
  if (!s.settings.zoomed.empty()) return s.settings.zoomed.clear();
  s.settings.zoomed = s.selection.panel;
  if (s.settings.zoomed.empty()) s.settings.zoomed = s.arrangement().first().name();
}

void dock(Session& s, const char* panel) { s.settings.docked = s.settings.docked == panel ? "" : panel; }

void change_clock(Session& s) {
  const double part = s.duration() > 0 ? s.t() / s.duration() : 0;
  s.settings.clock = s.settings.clock == Clock::modelled ? Clock::measured : Clock::modelled;
  s.seek(part * s.duration());
}

void next_matrix(Session& s) {
  s.settings.matrix = static_cast<MatrixColoring>((static_cast<int>(s.settings.matrix) + 1) % 4);
}

void zoom_by_key(Session& s, double factor) {
  if (const auto place = place_of_keys(s)) zoom_part(s, *place, factor);
}

void move_by_key(Session& s, double across) {
  if (const auto place = place_of_keys(s)) move_part(s, *place, across);
}

void toggle(bool& setting) { setting = !setting; }

// ---- Live runs --------------------------------------------------------------------

std::string device_name(const Session& s) { return "device " + std::to_string(s.selection.device); }

void stall(Session& s) {
  if (!s.live()) return;
  const bool on = s.toggle_stall(s.selection.device);
  s.notice = device_name(s) + (on ? " is stalled" : " continues");
}

void slow_link(Session& s) {
  if (!s.live()) return;
  const bool on = s.toggle_slow_link(s.selection.device);
  s.notice = "the link from " + device_name(s) + (on ? " is 8 times slower" : " has its normal speed");
}

// ---- Back and out -----------------------------------------------------------------

void leave(Session& s) {
  if (s.overlay != Overlay::none)
    s.overlay = Overlay::none;
  else if (s.blank)
    s.blank = false;
  else if (!s.settings.zoomed.empty())
    s.settings.zoomed.clear();
  else if (s.selection.pinned)
    s.selection.pinned = {};
  else if (!s.settings.docked.empty())
    s.settings.docked.clear();
  else
    s.settings.presenting = false;
}

void copy_link(Session& s) {
  s.to_copy = deep_link(s);
  s.notice = "copied: ringviz --state '" + s.to_copy + "'";
}

void toggle(Session& s, Overlay overlay) { s.overlay = s.overlay == overlay ? Overlay::none : overlay; }

}  // namespace

const std::vector<Command>& commands() {
  // clang-format off
  static const std::vector<Command> table = {
      {"proceed", "Time", "play to the next text, or pause", {"Space"}, [](Session& s) { go_on(s, s.proceed(), 1); }},
      {"play", "Time", "play and pause", {"Enter"}, [](Session& s) { s.play(!s.playing()); }},
      {"next_event", "Time", "next event", {"Right"}, [](Session& s) { s.step_event(1); }},
      {"previous_event", "Time", "previous event", {"Left"}, [](Session& s) { s.step_event(-1); }},
      {"next_step", "Time", "next step", {"Shift+Right"}, [](Session& s) { s.step_ring(1); }},
      {"previous_step", "Time", "previous step", {"Shift+Left"}, [](Session& s) { s.step_ring(-1); }},
      {"start", "Time", "go to the start", {"Home"}, [](Session& s) { s.seek(0); }},
      {"end", "Time", "go to the end, follow a live run", {"End"}, [](Session& s) { s.seek(s.duration()), s.follow(); }},
      {"slower", "Time", "slower", {"-"}, [](Session& s) { change_speed(s, 0.5); }},
      {"faster", "Time", "faster", {"="}, [](Session& s) { change_speed(s, 2); }},

      {"next_beat", "Scenes", "next text: answer, beat or scene", {"PageDown"}, [](Session& s) { go_on(s, s.next_text(), 1); }},
      {"previous_beat", "Scenes", "previous text", {"PageUp"}, [](Session& s) { go_on(s, s.previous_text(), -1); }},
      {"next_scene", "Scenes", "next scene", {"]"}, [](Session& s) { open_neighbour(s, 1); }},
      {"previous_scene", "Scenes", "previous scene", {"["}, [](Session& s) { open_neighbour(s, -1); }},
      {"restart", "Scenes", "restart the scene", {"R"}, [](Session& s) { s.beats() ? s.go_to_beat(0) : s.seek(0); }},
      {"scenes", "Scenes", "list of scenes", {"Ctrl+K"}, [](Session& s) { toggle(s, Overlay::scenes); }},
      {"scene_1", "Scenes", "first scene", {"1"}, open_numbered<0>},
      {"scene_2", "Scenes", "second scene", {"2"}, open_numbered<1>},
      {"scene_3", "Scenes", "third scene", {"3"}, open_numbered<2>},
      {"scene_4", "Scenes", "fourth scene", {"4"}, open_numbered<3>},
      {"scene_5", "Scenes", "fifth scene", {"5"}, open_numbered<4>},
      {"scene_6", "Scenes", "sixth scene", {"6"}, open_numbered<5>},
      {"scene_7", "Scenes", "seventh scene", {"7"}, open_numbered<6>},
      {"scene_8", "Scenes", "eighth scene", {"8"}, open_numbered<7>},
      {"scene_9", "Scenes", "ninth scene", {"9"}, open_numbered<8>},
      {"scene_10", "Scenes", "tenth scene", {"0"}, open_numbered<9>},
      {"search", "Scenes", "search scenes and commands", {"Ctrl+P", "/"}, [](Session& s) { begin_text_input(s, TextInput::search); }},
      {"note", "Scenes", "write a note at this moment", {"N"}, [](Session& s) { begin_text_input(s, TextInput::note); }},
      {"type", "Scenes", "free play with a text that you type", {"E"}, [](Session& s) { begin_text_input(s, TextInput::tokens); }},

      {"next_device", "Selection", "next device", {"Tab"}, [](Session& s) { select_device(s, 1); }},
      {"previous_device", "Selection", "previous device", {"Shift+Tab"}, [](Session& s) { select_device(s, -1); }},
      {"next_row", "Selection", "next row", {"Down"}, [](Session& s) { select_row(s, 1); }},
      {"previous_row", "Selection", "previous row", {"Up"}, [](Session& s) { select_row(s, -1); }},
      {"pin", "Selection", "pin what the pointer is on", {"P"}, pin},

      {"zoom", "Appearance", "one panel, or all panels", {"Z"}, zoom},
      {"code", "Appearance", "source code of the engine", {"C"}, [](Session& s) { dock(s, "code"); }},
      {"memory", "Appearance", "memory of the devices", {"M"}, [](Session& s) { dock(s, "memory"); }},
      {"clock", "Appearance", "modelled or measured time", {"V"}, change_clock},
      {"critical_path", "Appearance", "critical path", {"K"}, [](Session& s) { toggle(s.settings.critical_path); }},
      {"part_in", "Appearance", "timeline or matrix: zoom in", {"W", "Ctrl+Up"}, [](Session& s) { zoom_by_key(s, 0.5); }},
      {"part_out", "Appearance", "timeline or matrix: zoom out", {"S", "Ctrl+Down"}, [](Session& s) { zoom_by_key(s, 2); }},
      {"part_left", "Appearance", "timeline or matrix: move left", {"A"}, [](Session& s) { move_by_key(s, -0.25); }},
      {"part_right", "Appearance", "timeline or matrix: move right", {"D"}, [](Session& s) { move_by_key(s, 0.25); }},
      {"matrix", "Appearance", "matrix by owner, device, step or score", {"X"}, next_matrix},
      {"theme", "Appearance", "theme: dark, light, contrast", {"T"}, next_theme},
      {"larger", "Appearance", "larger", {"Ctrl+="}, [](Session& s) { scale(s, 1.1); }},
      {"smaller", "Appearance", "smaller", {"Ctrl+-"}, [](Session& s) { scale(s, 1 / 1.1); }},
      {"motion", "Appearance", "animations on or off", {"O"}, [](Session& s) { toggle(s.settings.reduced_motion); }},

      {"stall", "Live", "stall or resume a device", {"F"}, stall},
      {"slow", "Live", "slow down or restore a link", {"L"}, slow_link},

      {"present", "Presentation", "presentation mode", {"F5"}, [](Session& s) { toggle(s.settings.presenting); }},
      {"blank", "Presentation", "blank screen", {"B", "."}, [](Session& s) { toggle(s.blank); }},
      {"laser", "Presentation", "laser pointer", {"Ctrl+L"}, [](Session& s) { toggle(s.settings.laser); }},
      {"link", "Presentation", "copy a link to this moment", {"Y"}, copy_link},
      {"help", "Presentation", "all keys", {"H", "?", "F1"}, [](Session& s) { toggle(s, Overlay::help); }},
      {"leave", "Presentation", "back", {"Esc"}, leave},
      {"quit", "Presentation", "quit", {"Ctrl+Q"}, [](Session& s) { s.quit = true; }},
  };
  // clang-format on
  return table;
}

const Command* find_command(std::string_view id) {
  for (const Command& command : commands())
    if (command.id == id) return &command;
  return nullptr;
}

const std::string& key_of(std::string_view id) { return find_command(id)->keys.front(); }

const Command* command_for_key(std::string_view key) {
  for (const Command& command : commands())
    if (std::find(command.keys.begin(), command.keys.end(), key) != command.keys.end()) return &command;
  return nullptr;
}

void run_command(Session& session, const std::string& id) {
  if (id.rfind("knob:", 0) == 0)
    return session.adjust(id.substr(5, id.size() - 7), id.back() == '+' ? 1 : -1);
  if (id.rfind("scene:", 0) == 0) return session.open_scene(find_scene(id.substr(6)));
  if (const Command* command = find_command(id)) command->run(session);
}

void click(Session& session, const Target& target) {
  Selection& selection = session.selection;
  switch (target.kind) {
    case Target::Kind::nothing:
    case Target::Kind::panel:
    case Target::Kind::time:
    case Target::Kind::slider:
    case Target::Kind::grid:
      selection.pinned = {};
      return;
    case Target::Kind::command:
      run_command(session, target.command);
      return;
    case Target::Kind::device:
      selection.device = target.a;
      break;
    case Target::Kind::row:
      selection.row = target.a;
      break;
    default:
      break;
  }
  selection.pinned = selection.pinned == target ? Target{} : target;
}

}  // namespace ringattn::viz
