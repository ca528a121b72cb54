#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "visualizer/layout/geometry.h"
#include "visualizer/model/moment.h"
#include "visualizer/session/live_controls.h"
#include "visualizer/session/notes.h"
#include "visualizer/session/scene.h"
#include "visualizer/session/view_settings.h"

namespace ringattn::viz {

class LiveRun;

enum class Overlay { none, help, scenes, search };

// The purpose of the text that the user is typing.
enum class TextInput { tokens, search, note };

// The complete state of the visualizer: the runs, the moment and the view settings. The picture is a function of this
// state, and only commands and the passing of time change it.
class Session {
 public:
  Session();
  ~Session();

  // ---- The runs

  void open_scene(const Scene& scene);
  void open_recording(std::shared_ptr<const Recording> recording, std::string title);
  void open_live(std::unique_ptr<LiveRun> run, std::string title);

  const std::string& title() const { return title_; }
  const Scene* scene() const { return scene_; }  // null: a file or a live run
  const Arrangement& arrangement() const;
  // The panels on the screen without docked ones: all, or one that is zoomed or alone
  Arrangement shown_panels() const;
  int runs() const { return static_cast<int>(recordings_.size()); }
  const Recording& recording(int run = 0) const { return *recordings_[static_cast<std::size_t>(run)]; }
  // The run of the first panel; selected devices and rows refer to it
  const Recording& main_recording() const { return recording(arrangement().first().run); }
  const std::string& run_title(int run) const { return run_titles_[static_cast<std::size_t>(run)]; }
  const std::string& failure(int run) const { return failures_[static_cast<std::size_t>(run)]; }
  // For a live run. Return whether the device is stalled, or its link slow, from now on
  bool toggle_stall(int device);
  bool toggle_slow_link(int device);
  LiveRun* live() const { return live_.get(); }  // null: no live run
  // Of a live run in progress; empty: none
  std::optional<LiveControls> live_controls() const;

  // ---- Time

  double t() const { return t_; }
  double duration() const;
  bool playing() const { return playing_; }
  double speed = 1;

  void seek(double t);
  void play(bool on);
  // Advances the animation by _seconds_ of real time
  void advance(double seconds);
  // Goes to the next or previous event. Forward in a live run that is followed: releases one operation of each device
  void step_event(int direction);
  // Goes to the begin of the next or previous step of the ring
  void step_ring(int direction);
  bool following() const { return live_ && following_; }
  void follow() { following_ = true; }

  // ---- Beats

  int beat() const { return beat_; }
  int beats() const { return scene_ ? static_cast<int>(scene_->beats.size()) : 0; }
  const Beat* current_beat() const;
  bool answered() const { return answered_; }
  bool closing() const { return closing_; }  // the takeaway is shown, after the last beat
  void go_to_beat(int beat);
  double beat_time(int beat) const;
  // The next text: the answer to a question, the next beat, or the takeaway of the scene; false: there is none
  bool next_text();
  // Undoes next_text
  bool previous_text();
  // Whether the next text is a beat later in the run, to which the run plays
  bool moves_on() const;
  // Like next_text, but plays to the next beat, for at least _seconds_; without beats or in free play, plays or pauses
  bool proceed(double seconds = 0);

  // ---- Parameters of the first run that the user can change

  const RunConfig* adjustable_config() const { return free_ ? &*free_ : nullptr; }  // null: there are none
  // Free play: all of them, and a text of the user
  const RunConfig* free_config() const { return scene_ && scene_->free ? adjustable_config() : nullptr; }
  // Steps a parameter up (+1) or down (-1), and runs the engine again
  void adjust(const std::string& parameter, int direction);
  // Moves a parameter with a slider to a place from 0 to 1
  void slide(const std::string& parameter, double place);
  // Runs another configuration; if it is invalid, keeps the run and sets notice
  void set_run(RunConfig config);
  // Uses the words of _text_ as tokens
  void set_text(const std::string& text);

  // ---- Typing, and notes at moments of the run

  bool typing = false;  // keys are characters of typed, not commands
  TextInput input = TextInput::tokens;
  std::string typed;
  const std::vector<Note>& notes() const { return notes_; }
  void add_note(const std::string& text);  // at t(); also writes the notes file, if there is one
  // Reads the notes file of a trace, and writes new notes to it
  void use_notes_of(const std::filesystem::path& trace);

  // ---- View

  ViewSettings settings;
  Selection selection;
  Point pointer;  // position of the mouse pointer
  Overlay overlay = Overlay::none;
  bool blank = false;
  bool quit = false;
  double read = 1;      // in a movie: the part of the time to read the text that is over
  std::string notice;   // a message about the last command
  std::string to_copy;  // text for the clipboard

 private:
  double default_pace() const;  // nanoseconds of the run per second of real time
  void advance_transition(double seconds);
  template <class Change>
  void change(const std::string& parameter, const Change& change);
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

  double live_seconds_ = 0;  // real time since its devices were last released
  double t_ = 0;
  // The animation from one beat to the next
  struct Transition {
    double from = 0, to = 0, seconds = 1, elapsed = 0;
  };
  std::optional<Transition> transition_;
  bool playing_ = false, following_ = true;
  int beat_ = 0;
  bool answered_ = false, closing_ = false;
};

// The panels for a trace or a live run
Arrangement default_arrangement(const Recording& recording);

}  // namespace ringattn::viz
