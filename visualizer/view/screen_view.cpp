#include "visualizer/view/screen_view.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "visualizer/interaction/commands.h"
#include "visualizer/layout/screen_layout.h"
#include "visualizer/run/live_run.h"
#include "visualizer/view/overlays.h"
#include "visualizer/view/panels/labels.h"
#include "visualizer/view/panels/panel.h"
#include "visualizer/view/panels/parameter_panel.h"
#include "visualizer/view/panels/strategy_text.h"
#include "visualizer/view/tooltip.h"

namespace ringattn::viz {

namespace {

// ---- Title ------------------------------------------------------------------------

std::string description(const Recording& recording) {
  const TraceHeader& header = recording.header();
  std::string text = recording.distribution().is_ring() ? "" : strategy_text(recording) + ": ";
  text += std::to_string(header.devices) + (header.devices == 1 ? " device, " : " devices, ") + header.layout;
  if (recording.masked()) text += recording.causal() ? ", causal" : ", window";
  return text + ", " + std::to_string(header.Sq) + " \xc3\x97 " + std::to_string(header.Skv) + " tokens, " +
         header.dtype;
}

// The failure of a shown run, once it has occurred, shortened to its beginning
std::string failure_text(const Session& session, const std::vector<PlacedPanel>& panels) {
  for (const PlacedPanel& placed : panels) {
    const Recording& recording = session.recording(placed.run);
    const std::string& failure = session.failure(placed.run);
    if (!failure.empty() && session.t() >= recording.duration(session.settings.clock))
      return failure.substr(0, failure.find_first_of(";,", failure.find(':')));
    if (!session.scene() && !recording.broken().empty())
      return "the trace violates an invariant: " + recording.broken().front();
  }
  return {};
}

// The panels for which there is no room
std::string left_out(const Arrangement& wanted, const std::vector<PlacedPanel>& placed) {
  std::string names;
  std::set<std::string> named;  // a panel of several runs is named once
  for (const std::string& name : wanted.names()) {
    const Arrangement panel = Arrangement::named(name);
    const bool shown = std::any_of(placed.begin(), placed.end(), [&](const PlacedPanel& each) {
      return panel.panel == each.panel && panel.run == each.run;
    });
    if (!shown && named.insert(panel.panel).second) names += (names.empty() ? "" : ", ") + panel.panel;
  }
  return names.empty() ? "" : "no room for " + names + ": Ctrl+-";
}

void draw_title(Canvas& canvas, Rect rect, const Session& session, const std::string& trouble,
                const std::string& missing) {
  if (rect.empty()) return;
  const Theme& theme = canvas.theme();
  const bool large = rect.h >= 36;
  const Face face = large ? Face::title : Face::strong;
  const Rect title = rect.take_left(std::min(canvas.text_size(session.title(), face).w + 2, rect.w), 18);
  canvas.text(title, session.title(), face, theme.ink);

  // On the right: the live mark, a failure, and the description of the run
  if (session.live()) {
    const bool running = session.live()->running();
    const char* const mark = running ? "\xe2\x97\x8f live" : "ended";
    canvas.fitting_text(rect.take_right(canvas.text_size(mark, Face::strong).w + 2, 14), {mark}, Face::strong,
                        running ? theme.accent : theme.faint_ink, Align::right);
  }
  if (!trouble.empty()) {
    // Its beginning, if there is no room for all
    std::string shown = trouble;
    if (canvas.text_size(shown, Face::small).w + 2 > rect.w) shown = trouble.substr(0, trouble.find(':'));
    const float w = std::min(rect.w, canvas.text_size(shown, Face::small).w + 2);
    canvas.fitting_text(rect.take_right(w, 14), {shown}, Face::small, theme.wrong, Align::right);
  }
  if (!missing.empty())
    canvas.fitting_text(rect, {missing}, Face::small, theme.accent, Align::right);
  else if (session.runs() == 1)
    canvas.fitting_text(rect, {description(session.recording())}, Face::small, theme.faint_ink, Align::right);
}

// ---- Caption ------------------------------------------------------------------------

// The number of the beat as dots
void draw_beat_dots(Canvas& canvas, const Rect& rect, const Session& session) {
  const float distance = std::min(16.f, rect.w / static_cast<float>(session.beats()));
  for (int beat = 0; beat < session.beats(); ++beat) {
    const Point centre{rect.right() - distance * (static_cast<float>(session.beats() - beat) - 0.5f),
                       rect.centre().y};
    const bool here = beat == session.beat();
    canvas.disc(centre, here ? 5.f : 3.5f, here ? canvas.theme().accent : canvas.theme().outline);
  }
}

// The text of a beat; its answer replaces it
std::string words_of(const Beat& beat, bool asks, bool answered) {
  return !asks ? beat.text : answered ? beat.answer : beat.text + "  " + beat.question;
}

// The type and height of captions in which all texts of a scene fit.
struct CaptionType {
  Face face = Face::small;
  float height = 0;
};

float caption_w(Size size, const Session& session) {
  const float dots = std::min(16.f * static_cast<float>(session.beats()), size.w / 6);
  return size.w - (is_small(size) ? 16.f : 28.f) - 2 * caption_margin(size).w - dots - 18;
}

// The largest type that leaves most of the screen for the panels
CaptionType caption_type(const Canvas& canvas, Size size, const Session& session) {
  CaptionType type;
  // One or two lines
  if (session.live()) return {Face::body, 2.2f * canvas.line_height(Face::body)};
  if (!session.scene()) return type;
  for (const auto& [face, most] : {std::pair{Face::heading, 0.2f}, {Face::body, 0.24f}, {Face::small, 1.f}}) {
    type = {face, 0};
    for (const Beat& beat : session.scene()->beats)
      for (const bool answered : {false, true})
        type.height = std::max(
            type.height, canvas.paragraph_height(caption_w(size, session),
                                                 words_of(beat, !beat.question.empty(), answered), face));
    type.height = std::max(
        type.height, canvas.paragraph_height(caption_w(size, session), session.scene()->takeaway, face));
    if (type.height <= most * size.h) break;
  }
  return type;
}

// What a live run waits for, and the keys that help
std::string live_hint(const Session& session) {
  if (!session.live()->running())
    return "The run has ended. \xe2\x86\x90 and \xe2\x86\x92 go through its events.";
  const LiveControls controls = session.live_controls().value_or(LiveControls{});
  const int selected = session.selection.device;
  const std::string device = "device " + std::to_string(selected);
  return std::string(session.playing() ? "Space pauses."
                     : session.following()
                         ? "The devices wait for you: \xe2\x86\x92 permits one operation, Space plays."
                         : "This is the past: End returns to the run in progress.") +
         " " + key_of("stall") + (controls.stalled.count(selected) ? " resumes " : " stalls ") + device +
         ", " + key_of("slow") + " " + (controls.slowed.count(selected) ? "restores" : "slows down") +
         " its link. Tab selects another device.";
}

void draw_caption(Canvas& canvas, const Rect& rect, Size size, const CaptionType& type,
                  const Session& session) {
  const Beat* beat = session.current_beat();
  if (rect.empty() || (!beat && !session.live())) return;
  const Theme& theme = canvas.theme();
  canvas.fill(rect, theme.raised, 8);
  // In a movie the bar grows while the text is read
  const Rect bar{rect.x, rect.y + 8, 4, rect.h - 16};
  if (session.read < 1) canvas.fill(bar, theme.outline, 2);
  canvas.fill({bar.x, bar.y, bar.w, bar.h * static_cast<float>(session.read)}, theme.accent, 2);
  const Size margin = caption_margin(size);
  Rect room = rect.inset(margin.w, margin.h);
  if (!beat) {
    const std::string hint = live_hint(session);
    room.take_top(std::max(0.f, (room.h - canvas.paragraph_height(room.w, hint, type.face)) / 2));
    canvas.paragraph(room, hint, type.face, theme.ink);
    return;
  }
  const Rect dots = room.take_right(room.w - caption_w(size, session));
  draw_beat_dots(canvas, {dots.x, dots.bottom() - 12, dots.w, 12}, session);

  // A question belongs to its moment; the answer stays until the next beat
  const bool here = !session.playing() && session.t() <= session.beat_time(session.beat());
  const bool asks = !beat->question.empty() && (here || session.answered());
  const std::string words =
      session.closing() ? session.scene()->takeaway : words_of(*beat, asks, session.answered());
  const float height = canvas.paragraph_height(room.w, words, type.face);
  room.take_top(std::max(0.f, (room.h - height) / 2));
  canvas.paragraph(room, words, type.face, session.closing() ? theme.accent : theme.ink);
}

// ---- Controls -----------------------------------------------------------------------

Rect draw_button(Canvas& canvas, Rect& room, const std::string& text, const std::string& command) {
  const Rect rect = room.take_left(canvas.text_size(text, Face::small).w + 20, 8);
  canvas.fill(rect, canvas.theme().raised, 6);
  canvas.frame(rect, canvas.theme().outline, 1, 6);
  canvas.text(rect, text, Face::small, canvas.theme().ink, Align::centre);
  canvas.element(rect, Target::to_command(command));
  return rect;
}

void draw_controls(Canvas& canvas, Rect room, const Session& session) {
  if (room.empty()) return;
  draw_button(canvas, room, session.playing() ? "pause" : "play", "play");
  draw_button(canvas, room, "\xe2\x86\x90", "previous_event");
  draw_button(canvas, room, "\xe2\x86\x92", "next_event");
  if (session.beats()) draw_button(canvas, room, "next", "proceed");
  draw_button(canvas, room, "scenes", "scenes");
  draw_button(canvas, room, "keys", "help");
  const std::string now = time_text(session.t()) + " of " + time_text(session.duration());
  std::string speed = "speed " + number_text(session.speed);
  canvas.fitting_text(room.take_right(330),
                      {session.notice.empty() ? now + ", " + speed : session.notice, now}, Face::small,
                      canvas.theme().faint_ink, Align::right);
}

// ---- Panels -------------------------------------------------------------------------

// The panels of the session, and at the right edge the docked panel and the inspector of the pinned target
Arrangement shown_panels(const Session& session) {
  const ViewSettings& settings = session.settings;
  const Selection& selection = session.selection;
  const Arrangement all = session.shown_panels();
  Arrangement column{"", 0, {}, true, 0.5f};
  if (!settings.docked.empty()) {
    column.parts.push_back(Arrangement::of(settings.docked));
    column.parts.back().run = session.arrangement().first().run;
  }
  if (selection.pinned && selection.pinned_run < session.runs()) {
    column.parts.push_back(Arrangement::of("inspector"));
    column.parts.back().run = selection.pinned_run;
  }
  const bool below = !settings.alone.empty();
  return column.parts.empty() ? all : Arrangement{"", 0, {all, column}, below, 1};
}

void draw_named_panel(Canvas& canvas, const std::string& panel, const Rect& rect, const Frame& frame) {
  canvas.element(rect, Target::panel(panel));
  run_panels().at(panel)(canvas, rect, frame);
}

// The runs in the other panels of the same kind
std::vector<const Recording*> runs_beside(const PlacedPanel& panel, const std::vector<PlacedPanel>& panels,
                                          const Session& session) {
  std::vector<const Recording*> runs;
  for (const PlacedPanel& other : panels)
    if (other.panel == panel.panel && other.run != panel.run) runs.push_back(&session.recording(other.run));
  return runs;
}

void draw_panels(Canvas& canvas, const std::vector<PlacedPanel>& panels, const Session& session) {
  const std::optional<LiveControls> live = session.live_controls();
  std::map<int, Moment> moments;  // by run
  for (const PlacedPanel& placed : panels) {
    if (placed.panel == "knobs") {
      draw_parameters(canvas, placed.rect, session);
      continue;
    }
    canvas.show_run(placed.run);
    const Recording& recording = session.recording(placed.run);
    if (moments.count(placed.run) == 0)
      moments[placed.run] = moment(recording, session.t(), session.settings.clock);
    const Moment& now = moments.at(placed.run);
    // A beat outlines the critical path of its own run
    ViewSettings settings = session.settings;
    const Beat* beat = session.current_beat();
    if (beat && beat->critical_path && beat->run >= 0 && beat->run != placed.run)
      settings.critical_path = false;
    draw_named_panel(
        canvas, placed.panel, placed.rect,
        {recording, now, session.selection, settings, session.run_title(placed.run), session.duration(),
         &session.notes(), runs_beside(placed, panels, session), live ? &*live : nullptr});
  }
  canvas.show_run(0);
}

void draw_overlays(Canvas& canvas, Size size, const Session& session) {
  if (session.overlay == Overlay::none) draw_tooltip(canvas, size, session);
  if (session.settings.laser) canvas.disc(session.pointer, 9, canvas.theme().wrong.with_alpha(0.8));
  if (session.overlay == Overlay::help) draw_help(canvas, size);
  if (session.overlay == Overlay::scenes) draw_scene_list(canvas, size, session);
  if (session.overlay == Overlay::search) draw_search(canvas, size, session);
  if (session.typing && session.input == TextInput::note) draw_note_input(canvas, size, session);
}

}  // namespace

void draw_screen(Canvas& canvas, Size size, const Session& session) {
  if (session.blank) return canvas.fill({0, 0, size.w, size.h}, rgb(0x000000));
  const ViewSettings& settings = session.settings;
  const CaptionType caption = caption_type(canvas, size, session);
  const Arrangement panels = shown_panels(session);
  const ScreenLayout places = layout_screen(size, panels, {caption.height, settings.presenting});
  draw_title(canvas, places.title, session, failure_text(session, places.panels),
             left_out(panels, places.panels));
  draw_panels(canvas, places.panels, session);
  draw_caption(canvas, places.caption, size, caption, session);
  draw_controls(canvas, places.controls, session);
  // Above the blocks that slide over the cards of a ring
  canvas.enter_overlay(), canvas.enter_overlay();
  draw_overlays(canvas, size, session);
  canvas.leave_overlay(), canvas.leave_overlay();
}

}  // namespace ringattn::viz
