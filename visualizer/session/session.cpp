#include "visualizer/session/session.h"

#include <algorithm>

#include "reference/definition/input/bad_input.h"
#include "visualizer/run/hop_ratio.h"
#include "visualizer/run/live_run.h"
#include "visualizer/run/record_run.h"
#include "visualizer/session/parameters.h"

namespace ringattn::viz {

namespace {

// Duration of a step on the screen at speed 1
constexpr double seconds_per_step = 1.6;
// Duration of the animation from beat to beat, in seconds
constexpr double min_transition = 0.5, max_transition = 2.5;
constexpr double seconds_per_operation = 0.3;  // of a live run

}  // namespace

Session::Session() = default;
Session::~Session() = default;

// ---- The runs -----------------------------------------------------------------------

void Session::open_scene(const Scene& scene) {
  live_.reset();
  recordings_.clear(), run_titles_.clear(), failures_.clear();
  for (const SceneRun& run : scene.runs) {
    RecordedRun recorded = record_run(run.config);
    recordings_.push_back(recorded.recording);
    failures_.push_back(recorded.failure);
    run_titles_.push_back(run.title);
  }
  free_.reset();
  if (!scene.parameters.empty()) free_ = scene.runs.front().config;
  scene_ = &scene;
  title_ = scene.title;
  arrangement_ = scene.arrangement;
  opened();
}

void Session::open_recording(std::shared_ptr<const Recording> recording, std::string title) {
  live_.reset();
  scene_ = nullptr;
  free_.reset();
  title_ = std::move(title);
  arrangement_ = default_arrangement(*recording);
  recordings_ = {std::move(recording)}, run_titles_ = {""}, failures_ = {""};
  opened();
}

void Session::open_live(std::unique_ptr<LiveRun> run, std::string title) {
  open_recording(run->snapshot(), std::move(title));
  live_ = std::move(run);
  following_ = true;
  live_seconds_ = 0;
}

bool Session::toggle_stall(int device) {
  const bool on = stalled_.erase(device) == 0;
  if (on) stalled_.insert(device);
  live_->stall(device, on);
  return on;
}

bool Session::toggle_slow_link(int device) {
  const bool on = slowed_.erase(device) == 0;
  if (on) slowed_.insert(device);
  live_->slow_link(device, on ? 8 : 1);
  return on;
}

std::optional<LiveControls> Session::live_controls() const {
  if (!live_ || !live_->running()) return std::nullopt;
  LiveControls controls{stalled_, slowed_, {}};
  for (int device = 0; device < recording().devices(); ++device)
    if (live_->holds(device)) controls.waiting.insert(device);
  return controls;
}

// On the selected clock. If no run has a matching event, the beat is at the time of the beat before it
double Session::beat_time(int beat) const {
  for (; beat >= 0; --beat) {
    const Beat& candidate = scene_->beats[static_cast<std::size_t>(beat)];
    for (int run = 0; run < runs(); ++run) {
      if (candidate.run >= 0 && run != candidate.run) continue;
      if (const std::optional<double> time = candidate.at.time(recording(run), settings.clock)) return *time;
    }
  }
  return 0;
}

void Session::opened() {
  t_ = 0, playing_ = false, answered_ = closing_ = false, beat_ = 0;
  selection = {};
  stalled_.clear(), slowed_.clear();
  notes_.clear(), notes_path_.reset();
  settings.zoomed.clear();
  settings.time = settings.queries = settings.keys = {};
  notice.clear();
  go_to_beat(0);
}

// Limits the selection to the devices and rows of the main run
void Session::keep_selection() {
  const TraceHeader& header = main_recording().header();
  selection.device = std::min(selection.device, header.devices - 1);
  selection.row = std::clamp<Index>(selection.row, 0, std::max<Index>(0, header.Sq - 1));
}

// Playing a live run releases its devices at regular intervals
void Session::advance_live(double seconds) {
  if (playing_) live_seconds_ += seconds * speed;
  for (; live_seconds_ >= seconds_per_operation; live_seconds_ -= seconds_per_operation) live_->step();
  recordings_[0] = live_->snapshot();
  failures_[0] = live_->failure();
  if (following_) t_ = duration();
}

// ---- Time ---------------------------------------------------------------------------

double Session::duration() const {
  double longest = 0;
  for (const std::string& name : arrangement().names())
    longest = std::max(longest, recording(Arrangement::named(name).run).duration(settings.clock));
  return longest;
}

void Session::seek(double t) {
  t_ = std::clamp(t, 0.0, duration());
  transition_.reset();
  following_ = false;
}

void Session::play(bool on) {
  if (on && t_ >= duration() && !live_) t_ = 0;
  playing_ = on;
  transition_.reset();
}

double Session::default_pace() const {
  const double steps = recording().distribution().steps() * recording().passes();
  return duration() / (steps * seconds_per_step);
}

void Session::advance(double seconds) {
  if (live_) advance_live(seconds);
  if (!playing_ || following()) return;
  if (transition_) return advance_transition(seconds * speed);
  t_ = std::min(duration(), t_ + seconds * speed * default_pace());
  if (t_ >= duration()) playing_ = false;
}

// Eased: slow at both ends
void Session::advance_transition(double seconds) {
  transition_->elapsed = std::min(transition_->elapsed + seconds, transition_->seconds);
  const double x = transition_->elapsed / transition_->seconds;
  t_ = transition_->from + (transition_->to - transition_->from) * x * x * (3 - 2 * x);
  if (x >= 1) go_to_beat(beat_ + 1);
}

std::vector<double> Session::moments() const {
  std::vector<double> times;
  for (const auto& recording : recordings_)
    for (const Event& event : recording->events())
      times.push_back(settings.clock == Clock::modelled ? event.t : static_cast<double>(event.w));
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  return times;
}

void Session::step_event(int direction) {
  if (direction > 0 && following()) return live_->step();
  playing_ = false;
  const std::vector<double> times = moments();
  if (direction > 0) {
    const auto next = std::upper_bound(times.begin(), times.end(), t_);
    seek(next == times.end() ? duration() : *next);
  } else {
    const auto here = std::lower_bound(times.begin(), times.end(), t_);
    seek(here == times.begin() ? 0 : *(here - 1));
  }
}

void Session::step_ring(int direction) {
  playing_ = false;
  // A step begins when the first device begins it
  std::vector<double> begins;
  for (const Span& span : recording().spans().all()) {
    if (span.begin->kind != EventKind::compute) continue;
    const auto pass = static_cast<std::size_t>(recording().pass_of(span)),
               step = pass * static_cast<std::size_t>(recording().distribution().steps()) +
                      static_cast<std::size_t>(span.begin->step);
    if (begins.size() <= step) begins.resize(step + 1, duration());
    begins[step] = std::min(begins[step], recording().began(span, settings.clock));
  }
  std::sort(begins.begin(), begins.end());
  double goal = direction > 0 ? duration() : 0;
  for (const double begin : begins) {
    if (direction > 0 && begin > t_) {
      goal = begin;
      break;
    }
    if (direction < 0 && begin < t_) goal = begin;
  }
  seek(goal);
}

// ---- Beats --------------------------------------------------------------------------

const Beat* Session::current_beat() const {
  return scene_ && beats() > 0 ? &scene_->beats[static_cast<std::size_t>(beat_)] : nullptr;
}

void Session::go_to_beat(int beat) {
  if (beats() == 0) return;
  beat_ = std::clamp(beat, 0, beats() - 1);
  playing_ = answered_ = closing_ = false;
  transition_.reset();
  t_ = beat_time(beat_);

  // Beats may be entered in any order: zoom and critical path are those of this beat alone, selections are the last
  // ones set up to this beat
  settings.zoomed = current_beat()->zoom;
  settings.time = settings.queries = settings.keys = {};
  settings.critical_path = current_beat()->critical_path;
  settings.matrix = MatrixColoring::owner;
  selection.device = 0, selection.row = 0;
  for (int b = 0; b <= beat_; ++b) {
    const Beat& each = scene_->beats[static_cast<std::size_t>(b)];
    if (each.device >= 0) selection.device = each.device;
    if (each.row >= 0) selection.row = each.row;
    if (!each.matrix.empty())
      settings.matrix = each.matrix == "device"  ? MatrixColoring::device
                        : each.matrix == "when"  ? MatrixColoring::step
                        : each.matrix == "score" ? MatrixColoring::score
                                                 : MatrixColoring::owner;
  }
  keep_selection();
}

bool Session::next_text() {
  const Beat* beat = current_beat();
  if (!beat || closing_) return false;
  // The answer belongs to the moment of the question
  if (!beat->question.empty() && !answered_)
    go_to_beat(beat_), answered_ = true;
  else if (beat_ + 1 < beats())
    go_to_beat(beat_ + 1);
  else
    closing_ = true;
  return true;
}

bool Session::previous_text() {
  if (closing_)
    closing_ = false;
  else if (answered_)
    answered_ = false;
  else if (beat_ > 0) {
    go_to_beat(beat_ - 1);
    answered_ = !current_beat()->question.empty();
  } else {
    return false;
  }
  return true;
}

bool Session::moves_on() const {
  const Beat* beat = current_beat();
  if (!beat || beat_ + 1 >= beats()) return false;
  // A beat that is not later in time starts another topic: jump to it without animation
  const bool asks = !beat->question.empty() && !answered_;
  return !asks && beat_time(beat_ + 1) > beat_time(beat_);
}

bool Session::proceed(double seconds) {
  const Beat* beat = current_beat();
  if (!beat || playing_ || free_config()) return play(!playing_), true;
  if (!moves_on()) return next_text();
  const double from = std::clamp(t_, beat_time(beat_), beat_time(beat_ + 1)), to = beat_time(beat_ + 1);
  const double natural = std::clamp((to - from) / default_pace(), min_transition, max_transition);
  transition_ = Transition{from, to, std::max(natural, seconds), 0};
  playing_ = true;
  return true;
}

const Arrangement& Session::arrangement() const {
  const Beat* beat = current_beat();
  return beat && beat->has_arrangement() ? beat->arrangement : arrangement_;
}

Arrangement Session::shown_panels() const {
  const std::string& one = settings.zoomed.empty() ? settings.alone : settings.zoomed;
  return one.empty() ? arrangement() : Arrangement::named(one);
}

// ---- Free play ----------------------------------------------------------------------

void Session::set_run(RunConfig config) {
  const double part = duration() > 0 ? t_ / duration() : 0;
  try {
    RecordedRun recorded = record_run(config);
    recordings_[0] = recorded.recording;
    failures_[0] = recorded.failure;
    free_ = std::move(config);
  } catch (const BadInput& error) {
    notice = error.what();
    return;
  }
  keep_selection();
  selection.hovered = selection.pinned = {};
  seek(part * duration());
}

template <class Change>
void Session::change(const std::string& id, const Change& change) {
  if (!free_) return;
  for (const Parameter& parameter : parameters(scene_->parameters)) {
    if (parameter.id != id) continue;
    RunConfig config = *free_;
    const double before = hop_ratio(config);
    change(parameter, config);
    if (parameter.id != "hop") set_hop_ratio(config, before);
    use_machine(config);
    set_run(std::move(config));
  }
}

void Session::adjust(const std::string& id, int direction) {
  change(id, [=](const Parameter& parameter, RunConfig& config) { parameter.adjust(config, direction); });
}

void Session::slide(const std::string& id, double place) {
  change(id, [=](const Parameter& parameter, RunConfig& config) {
    if (parameter.slide) parameter.slide(config, place);
  });
}

void Session::set_text(const std::string& text) {
  if (!free_config()) return;
  RunConfig config = *free_;
  config.text = text;
  set_run(std::move(config));
}

// ---- Notes --------------------------------------------------------------------------

void Session::add_note(const std::string& text) {
  notes_.push_back({t_, text});
  std::stable_sort(notes_.begin(), notes_.end(), [](const Note& a, const Note& b) { return a.t < b.t; });
  if (!notes_path_) return;
  try {
    write_notes(*notes_path_, notes_);
    notice = "note written to " + notes_path_->filename().string();
  } catch (const BadInput& error) {
    notice = error.what();
  }
}

void Session::use_notes_of(const std::filesystem::path& trace) {
  notes_ = read_notes(notes_path_for(trace));
  notes_path_ = notes_path_for(trace);
}

// ---- Arrangement ----------------------------------------------------------------------

Arrangement default_arrangement(const Recording& recording) {
  // A live run has no events yet
  const auto& options = recording.header().options;
  bool rows = std::any_of(options.begin(), options.end(),
                          [](const auto& option) { return option.first == "trace-rows"; });
  for (const Event& event : recording.events()) rows = rows || event.kind == EventKind::row;
  Arrangement side{
      "", 0, {Arrangement::of("matrix"), Arrangement::of(rows ? "microscope" : "memory")}, true, 0.8f};
  side.parts.back().weight = rows ? 1.3f : 1;
  Arrangement above{"", 0, {Arrangement::of("ring"), side}, false, 2.6f};
  return {"", 0, {above, Arrangement::of("timeline")}, true, 1};
}

}  // namespace ringattn::viz
