// The panel `code`: the lines of the engine that the selected device executes.

#include <algorithm>
#include <string>

#include "visualizer/model/code_lines.h"
#include "visualizer/resources/embedded.h"
#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

namespace {

constexpr float line_step = 18, caption_h = 20, section_gap = 8;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// A function, and its highlighted lines.
struct Section {
  const CodeFunction* function;
  std::vector<std::string_view> file;  // its lines
  LineRange all, highlighted;  // lines of the file; highlighted: from the first to the last highlighted line
  std::vector<const CodeLine*> marks;  // by line of the function; null: not highlighted

  int size() const { return all.end - all.begin; }
  int highlighted_size() const { return std::max(1, highlighted.end - highlighted.begin); }
};

// _function_ with those of _lines_ that are in it
Section section(const CodeFunction& function, const std::vector<CodeLine>& lines) {
  const std::string_view text = embedded(function.file);
  Section section{&function, lines_of(text), lines_of_function(text, function), {}, {}};
  section.marks.resize(static_cast<std::size_t>(section.size()));
  section.highlighted = {section.all.begin, section.all.begin};
  bool here = false;
  for (const CodeLine& line : lines) {
    if (line.mark->function != &function) continue;
    const LineRange range = lines_of_snippet(text, line.mark->snippet);
    for (int i = range.begin; i < range.end; ++i)
      section.marks[static_cast<std::size_t>(i - section.all.begin)] = &line;
    // The current statement takes precedence over sends whose messages are in flight
    if (line.under_way && here) continue;
    if (section.highlighted.end == section.highlighted.begin || (!line.under_way && !here))
      section.highlighted = range;
    else
      section.highlighted = {std::min(section.highlighted.begin, range.begin),
                             std::max(section.highlighted.end, range.end)};
    here = !line.under_way;
  }
  return section;
}

// _first_, and below it the functions that the device executes, the innermost last
std::vector<Section> sections(const CodeFunction& first, const std::vector<CodeLine>& lines) {
  std::vector<Section> all{section(first, lines)};
  for (const CodeLine& line : lines) {
    const bool known = std::any_of(all.begin(), all.end(),
                                   [&](const Section& each) { return each.function == line.mark->function; });
    if (!known) all.push_back(section(*line.mark->function, lines));
  }
  return all;
}

// _rows_ lines of a function, with the highlighted ones in the middle
LineRange window(const Section& section, int rows) {
  if (rows >= section.size()) return section.all;
  const int above = (rows - section.highlighted_size()) / 2;
  const int first =
      std::clamp(section.highlighted.begin - std::max(0, above), section.all.begin, section.all.end - rows);
  return {first, first + rows};
}

// The common indentation of a range of lines
std::size_t common_blanks(const Section& section, LineRange range) {
  std::size_t common = 200;
  for (int i = range.begin; i < range.end; ++i) {
    const std::size_t blanks = section.file[static_cast<std::size_t>(i)].find_first_not_of(' ');
    common = std::min(common, blanks == std::string_view::npos ? common : blanks);
  }
  return common == 200 ? 0 : common;
}

class CodePane {
 public:
  CodePane(Canvas& canvas, const Frame& frame, const Rect& room)
      : canvas_(canvas),
        theme_(canvas.theme()),
        selection_(frame.selection),
        room_(room),
        lines_(highlighted_lines(frame.recording, frame.moment, frame.selection.device)),
        sections_(sections(code_of_strategy(frame.recording), lines_)),
        numbers_w_(canvas.text_size("000", Face::code).w + 12) {}

  void draw() {
    choose();
    Rect rest = room_;
    for (std::size_t i = 0; i < sections_.size(); ++i) {
      const float h = caption_h + line_step * static_cast<float>(rows_[i]);
      draw_section(sections_[i], rows_[i], rest.take_top(h, section_gap));
    }
  }

 private:
  int rows_for(std::size_t count) const {
    const float captions =
        caption_h * static_cast<float>(count) + section_gap * static_cast<float>(count - 1);
    return static_cast<int>((room_.h - captions) / line_step);
  }

  // Keep the loop and the innermost function; drop the functions between them unless all fit
  void choose() {
    while (sections_.size() > 1 && !can_be_shown(sections_.back())) sections_.pop_back();
    int wanted = 0;
    for (const Section& each : sections_) wanted += each.size();
    if (sections_.size() > 2 && wanted > rows_for(sections_.size()))
      sections_.erase(sections_.begin() + 1, sections_.end() - 1);
    if (sections_.size() > 1 && rows_for(sections_.size()) < 4) sections_.resize(1);

    const int rows = std::max(0, rows_for(sections_.size()));
    rows_.clear();
    if (sections_.size() == 2) {
      const Section &loop = sections_.front(), &inner = sections_.back();
      const int kept = std::min(inner.size(), std::max(inner.highlighted_size() + 2, rows / 2));
      const int of_loop = std::clamp(rows - kept, 1, loop.size());
      rows_ = {of_loop, std::min(inner.size(), rows - of_loop)};
    } else {
      for (const Section& each : sections_) rows_.push_back(std::min(each.size(), rows));
    }
  }

  float code_w() const { return room_.w - numbers_w_ - 6; }

  bool highlighted_lines_fit(const Section& section, LineRange range) const {
    const std::size_t blanks = common_blanks(section, range);
    for (int i = range.begin; i < range.end; ++i)
      if (section.marks[static_cast<std::size_t>(i - section.all.begin)] &&
          canvas_.text_size(section.file[static_cast<std::size_t>(i)].substr(blanks), Face::code).w >
              code_w())
        return false;
    return true;
  }

  bool can_be_shown(const Section& section) const {
    return highlighted_lines_fit(section, window(section, section.highlighted_size()));
  }

  void draw_section(const Section& section, int rows, Rect place) {
    const std::string file(section.function->file), name = file.substr(file.rfind('/') + 1);
    Rect caption = place.take_top(caption_h);
    caption.h -= 4;

    // If highlighted lines are too long, omit the lines around them; if that does not suffice, show only the line
    // number
    LineRange shown = window(section, rows);
    if (!highlighted_lines_fit(section, shown))
      shown = window(section, std::min(rows, section.highlighted_size()));
    if (!highlighted_lines_fit(section, shown)) {
      const std::string line = ", line " + std::to_string(section.highlighted.begin + 1);
      canvas_.fitting_text(caption, {file + line, name + line, name}, Face::small, theme_.ink);
      return;
    }
    canvas_.fitting_text(caption, {file, name}, Face::small, theme_.faint_ink);
    const std::size_t blanks = common_blanks(section, shown);
    for (int i = shown.begin; i < shown.end; ++i) draw_line(section, i, blanks, place.take_top(line_step));
  }

  void draw_line(const Section& section, int i, std::size_t blanks, const Rect& rect) {
    const CodeLine* mark = section.marks[static_cast<std::size_t>(i - section.all.begin)];
    if (mark) {
      const Target target = Target::event(mark->event.device, mark->event.sequence);
      const bool strong = !mark->under_way;
      canvas_.fill(rect, mix(theme_.panel, theme_.accent, strong ? 0.2 : 0.08));
      canvas_.fill({rect.x, rect.y, 3, rect.h},
                   strong ? theme_.accent : mix(theme_.panel, theme_.accent, 0.5));
      if (selection_.highlights(target)) canvas_.frame(rect, theme_.accent, 1);
      canvas_.element(rect, target, mark->event, strong ? "executed now" : "the message is in flight");
    }
    Rect code = rect;
    canvas_.text(code.take_left(numbers_w_ - 8, 8), std::to_string(i + 1), Face::code,
                 mark ? theme_.accent : mix(theme_.panel, theme_.faint_ink, 0.6), Align::right);
    const std::string_view line = section.file[static_cast<std::size_t>(i)];
    if (line.size() > blanks)
      canvas_.text(code, line.substr(blanks), Face::code, mark ? theme_.ink : theme_.faint_ink);
  }

  Canvas& canvas_;
  const Theme& theme_;
  const Selection& selection_;
  Rect room_;
  std::vector<CodeLine> lines_;
  std::vector<Section> sections_;
  std::vector<int> rows_;  // by section
  float numbers_w_;
};

}  // namespace

void draw_code(Canvas& canvas, const Rect& rect, const Frame& frame) {
  const Rect room =
      draw_panel(canvas, rect, "Engine code", "device " + std::to_string(frame.selection.device));
  CodePane(canvas, frame, room).draw();
}

}  // namespace ringattn::viz
