#include "visualizer/view/tooltip.h"

#include "visualizer/view/inspector/inspector_page.h"

namespace ringattn::viz {

namespace {

constexpr std::size_t max_lines = 6;

bool has_room(Size size) { return size.w >= 700 && size.h >= 420; }

Frame frame_of(const Session& session, int run, const Moment& now) {
  return {session.recording(run), now,    session.selection, session.settings, session.run_title(run),
          session.duration(),     nullptr};
}

std::vector<std::string> lines_of(const InspectorPage& page) {
  std::vector<std::string> lines;
  for (const InspectorFact& fact : page.facts)
    if (lines.size() < max_lines) lines.push_back(fact.name + "  " + fact.value);
  for (const std::string& formula : page.formulas)
    if (lines.size() < max_lines) lines.push_back(formula);
  return lines;
}

}  // namespace

void draw_tooltip(Canvas& canvas, Size size, const Session& session) {
  const Selection& selection = session.selection;
  if (!has_room(size) || selection.hovered == selection.pinned || selection.hovered_run >= session.runs())
    return;
  const Moment now = moment(session.recording(selection.hovered_run), session.t(), session.settings.clock);
  const InspectorPage page = inspector_page(frame_of(session, selection.hovered_run, now), selection.hovered);
  if (page.title.empty()) return;

  const std::vector<std::string> lines = lines_of(page);
  const float line = canvas.line_height(Face::small) + 2;
  float w = canvas.text_size(page.title, Face::strong).w;
  for (const std::string& each : lines) w = std::max(w, canvas.text_size(each, Face::small).w);
  Rect rect{session.pointer.x + 18, session.pointer.y + 18, std::min(w + 26, size.w / 2),
            line * static_cast<float>(lines.size()) + canvas.line_height(Face::strong) + 20};
  // On the other side of the pointer if there is no room on this side
  if (rect.right() > size.w - 4) rect.x = std::max(4.f, session.pointer.x - 12 - rect.w);
  if (rect.bottom() > size.h - 4) rect.y = std::max(4.f, session.pointer.y - 12 - rect.h);

  canvas.enter_overlay();
  canvas.fill(rect, canvas.theme().raised, 6);
  canvas.frame(rect, canvas.theme().outline, 1.5f, 6);
  Rect room = rect.inset(12, 8);
  canvas.text(room.take_top(canvas.line_height(Face::strong), 4), page.title, Face::strong,
              canvas.theme().ink);
  for (const std::string& each : lines)
    canvas.text(room.take_top(line), each, Face::small, canvas.theme().faint_ink);
  canvas.leave_overlay();
}

}  // namespace ringattn::viz
