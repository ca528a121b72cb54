#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "visualizer/layout/geometry.h"
#include "visualizer/model/moment.h"
#include "visualizer/session/notes.h"
#include "visualizer/session/scene.h"
#include "visualizer/session/view_settings.h"

namespace ringattn::viz {

class LiveRun;

enum class Overlay { none, help, scenes, search };

// What is typed, while typing is on.
enum class TextInput { tokens, search, note };

// Everything that determines the picture: which runs, at which moment, how they are looked at. Commands
// change it, time changes it, nothing else does.
class Session {
 public:
  Session();
  ~Session();

  // ---- What is watched

  void open_scene(const Scene& scene);
  void open_recording(std::shared_ptr<const Recording> recording, std::string title);
  void open_live(std::unique_ptr<LiveRun> run, std::string title);

  const std::string& title() const { return title_; }
  const Scene* scene() const { return scene_; }  // null: a file or a live run
  const Arrangement& arrangement() const;
  int runs() const { return static_cast<int>(recordings_.size()); }
  const Recording& recording(int run = 0) const { return *recordings_[static_cast<std::size_t>(run)]; }
  // The run that the first of the panels shows: devices and rows are selected of it
  const Recording& main_recording() const { return recording(arrangement().first().run); }
  const std::string& run_title(int run) const { return run_titles_[static_cast<std::size_t>(run)]; }
  const std::string& failure(int run) const { return failures_[static_cast<std::size_t>(run)]; }
  // Of a live run: return whether the device is stalled, its link slow, from now on
  bool toggle_stall(int device);
  bool toggle_slow_link(int device);
  LiveRun* live() const { return live_.get(); }  // null: nothing goes on

  // ---- Time

  double t() const { return t_; }
  double duration() const;
  bool playing() const { return playing_; }
  double speed = 1;

  void seek(double t);
  void play(bool on);
  // Lets _seconds_ of the spectator's time pass
  void advance(double seconds);
  // The next or previous moment at which something begins or ends
  // (of a live run that is followed, the devices take their next verb)
  void step_event(int direction);
  // The begin of the next or previous step of the ring
  void step_ring(int direction);
  bool following() const { return live_ && following_; }
  void follow() { following_ = true; }

  // ---- Beats

  int beat() const { return beat_; }
  int beats() const { return scene_ ? static_cast<int>(scene_->beats.size()) : 0; }
  const Beat* current_beat() const;
  bool answered() const { return answered_; }
  void go_to_beat(int beat);
  double beat_time(int beat) const;
  // Space: the answer to a question, or on to the next beat; play and pause where there are none
  void proceed();

  // ---- Free play: a run whose knobs can be turned

  const RunConfig* free_config() const { return free_ ? &*free_ : nullptr; }  // null: nothing can be turned
  // Turns a parameter up (+1) or down (-1), and runs the engine anew
  void adjust(const std::string& parameter, int direction);
  // Another run; a sentence where there is none
  void set_run(RunConfig config);
  // The spectator's own text as tokens
  void set_text(const std::string& text);

  // ---- Typing, and notes at moments of the run

  bool typing = false;  // keys are characters, not commands
  TextInput input = TextInput::tokens;
  std::string typed;
  const std::vector<Note>& notes() const { return notes_; }
  void add_note(const std::string& text);  // here; into the file beside the trace, where there is one
  // Reads the notes beside a trace, and writes new ones there
  void use_notes_of(const std::filesystem::path& trace);

  // ---- How it is looked at

  ViewSettings settings;
  Selection selection;
  Point pointer;  // where the spectator's pointer is
  Overlay overlay = Overlay::none;
  bool blank = false;
  bool quit = false;
  std::string notice;   // a sentence about what was just done
  std::string to_copy;  // for the clipboard

 private:
  double default_pace() const;  // nanoseconds of the run a second
  void advance_transition(double seconds);
  void opened();
  void keep_selection();
  void advance_live(double seconds);
  std::vector<double> moments() const;

  std::string title_;
  const Scene* scene_ = nullptr;
  Arrangement arrangement_;
  std::vector<std::shared_ptr<const Recording>> recordings_;
  std::vector<std::string> run_titles_, failures_;
  std::unique_ptr<LiveRun> live_;
  std::optional<RunConfig> free_;
  std::vector<Note> notes_;
  std::optional<std::filesystem::path> notes_path_;
  std::set<int> stalled_, slowed_;  // devices of the live run

  double live_seconds_ = 0;  // since its devices were last let go on
  double t_ = 0;
  // The way from one beat to the next
  struct Transition {
    double from = 0, to = 0, seconds = 1, elapsed = 0;
  };
  std::optional<Transition> transition_;
  bool playing_ = false, following_ = true;
  int beat_ = 0;
  bool answered_ = false;
};

// What a panel shows of one of the runs
Arrangement default_arrangement(const Recording& recording);

}  // namespace ringattn::viz
