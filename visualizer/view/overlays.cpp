#include "visualizer/view/overlays.h"

#include <string>

#include "visualizer/interaction/command_palette.h"
#include "visualizer/interaction/commands.h"

namespace ringattn::viz {

namespace {

Size sheet_margin(Size size) { return {std::min(28.f, size.w / 40), std::min(20.f, size.h / 40)}; }

// The size of the margins and the heading of a sheet
Size sheet_edge(const Canvas& canvas, Size size) {
  const Size margin = sheet_margin(size);
  return {2 * margin.w, 2 * margin.h + canvas.line_height(Face::heading) + 10};
}

// Draws a sheet above everything else; returns its free rectangle
Rect sheet(Canvas& canvas, Size size, float w, float h, const char* heading) {
  const Theme& theme = canvas.theme();
  canvas.fill({0, 0, size.w, size.h}, theme.paper.with_alpha(0.75));
  const Rect rect = around({size.w / 2, size.h / 2}, std::min(w, size.w - 16), std::min(h, size.h - 16));
  canvas.fill(rect, theme.panel, 12);
  canvas.frame(rect, theme.outline, 1.5f, 12);
  Rect room = rect.inset(sheet_margin(size).w, sheet_margin(size).h);
  canvas.text(room.take_top(canvas.line_height(Face::heading), 10), heading, Face::heading, theme.ink);
  return room;
}

// ---- Help -----------------------------------------------------------------------------

// A line of the help: a command with its keys, or a series of commands.
struct HelpLine {
  std::string group, keys, title;
  std::vector<const Command*> commands;
};

// Commands that share a line; their ids begin with the prefix
struct Series {
  std::string_view prefix;
  const char *keys, *title;
};
constexpr Series all_series[] = {{"scene_", "1 \xe2\x80\xa6 9  0", "open a scene by number"},
                                 {"part_", "W  A  S  D", "zoom and move a timeline or matrix"}};

// Null: the command has a line of its own
const Series* series_of(const Command& command) {
  for (const Series& series : all_series)
    if (command.id.rfind(series.prefix, 0) == 0) return &series;
  return nullptr;
}

std::string joined(const std::vector<std::string>& keys) {
  std::string text;
  for (const std::string& key : keys) text += (text.empty() ? "" : "  ") + key;
  return text;
}

// Grouped, in the order of the first command of each group
std::vector<HelpLine> help_lines() {
  std::vector<HelpLine> lines;
  for (const Command& command : commands()) {
    // Append to the group of the command; a series shares one line
    auto place = lines.end();
    for (auto line = lines.begin(); line != lines.end(); ++line)
      if (line->group == command.group) place = line + 1;
    const Series* series = series_of(command);
    if (series && place != lines.begin() && series_of(*(place - 1)->commands.back()) == series) {
      (place - 1)->commands.push_back(&command);
      continue;
    }
    lines.insert(place, {command.group,
                         series ? series->keys : joined(command.keys),
                         series ? series->title : command.title,
                         {&command}});
  }
  return lines;
}

// The arrangement of the lines in columns: the first one in which all lines fit.
struct HelpColumns {
  Face face = Face::small;
  int columns = 1;
  float line = 0, keys_w = 0, column_w = 0, height = 0;
  bool headings = true;
};

constexpr float help_gap = 36;

// The number of lines, beginning at _from_, that fit in one column; a group is not divided if it fits in a column
std::size_t lines_in_column(const std::vector<HelpLine>& lines, std::size_t from, const HelpColumns& way) {
  const auto begins = [&](std::size_t i) { return i == from || lines[i].group != lines[i - 1].group; };
  float y = 0;
  std::size_t i = from, group = from;
  for (; i < lines.size(); ++i) {
    const float heading = way.headings && begins(i) ? (i == from ? 1.2f : 1.8f) : 0;
    y += way.line * (1 + heading);
    if (y > way.height) break;
    if (begins(i)) group = i;
  }
  return (i < lines.size() && group > from && way.headings ? group : i) - from;
}

bool holds(const std::vector<HelpLine>& lines, const HelpColumns& way) {
  std::size_t shown = 0;
  for (int column = 0; column < way.columns; ++column) shown += lines_in_column(lines, shown, way);
  return shown == lines.size();
}

HelpColumns help_columns(const Canvas& canvas, const std::vector<HelpLine>& lines, Size room) {
  HelpColumns way;
  for (const bool headings : {true, false})
    for (const auto& [face, leading] : {std::pair{Face::body, 6.f}, {Face::small, 6.f}, {Face::small, 2.f}}) {
      float titles_w = 0;
      way.keys_w = 0, way.face = face, way.headings = headings;
      for (const HelpLine& line : lines) {
        way.keys_w = std::max(way.keys_w, canvas.text_size(line.keys, face).w + 14);
        titles_w = std::max(titles_w, canvas.text_size(line.title, face).w + 2);
      }
      way.column_w = way.keys_w + titles_w;
      way.columns = std::clamp(static_cast<int>((room.w + help_gap) / (way.column_w + help_gap)), 1, 3);
      way.line = canvas.line_height(face) + leading;
      // The smallest sufficient height
      for (way.height = std::min(room.h, 8 * way.line); way.height < room.h && !holds(lines, way);)
        way.height = std::min(room.h, way.height + way.line / 2);
      if (holds(lines, way)) return way;
    }
  return way;
}

void draw_help_line(Canvas& canvas, Rect row, const HelpLine& line, const HelpColumns& way) {
  const Theme& theme = canvas.theme();
  Rect part = row;
  for (const Command* command : line.commands)
    canvas.element(part.take_left(row.w / static_cast<float>(line.commands.size())),
                   Target::to_command(command->id));
  canvas.fitting_text(row.take_left(way.keys_w), {line.keys}, way.face, theme.ink);
  canvas.fitting_text(row, {line.title}, way.face, theme.faint_ink);
}

}  // namespace

void draw_help(Canvas& canvas, Size size) {
  canvas.enter_overlay();
  const Theme& theme = canvas.theme();
  // Choose the columns and draw the sheet
  const std::vector<HelpLine> lines = help_lines();
  const Size edge = sheet_edge(canvas, size);
  const HelpColumns way = help_columns(canvas, lines, {size.w - 16 - edge.w, size.h - 16 - edge.h});
  const auto columns = static_cast<float>(way.columns);
  const Rect room = sheet(canvas, size, edge.w + columns * (way.column_w + help_gap) - help_gap,
                          edge.h + way.height, "Keys");
  // Draw column by column
  std::size_t next = 0;
  for (int column = 0; column < way.columns; ++column) {
    Rect rest{room.x + (way.column_w + help_gap) * static_cast<float>(column), room.y, way.column_w, room.h};
    const std::size_t first = next;
    next += lines_in_column(lines, next, way);
    for (std::size_t i = first; i < next; ++i) {
      if (way.headings && (i == first || lines[i].group != lines[i - 1].group)) {
        if (i > first) rest.take_top(way.line * 0.6f);
        canvas.text(rest.take_top(way.line * 1.2f), lines[i].group, Face::strong, theme.accent);
      }
      draw_help_line(canvas, rest.take_top(way.line), lines[i], way);
    }
  }
  const float heading_h = canvas.line_height(Face::heading);
  if (next < lines.size())
    canvas.fitting_text({room.x, room.y - 10 - heading_h, room.w, heading_h},
                        {"press Ctrl+- to show all keys"}, Face::small, theme.accent, Align::right);
  canvas.leave_overlay();
}

void draw_search(Canvas& canvas, Size size, const Session& session) {
  canvas.enter_overlay();
  const Theme& theme = canvas.theme();
  Rect room = sheet(canvas, size, 760, 560, "Search");
  const Rect field = room.take_top(canvas.line_height(Face::body) + 14, 10);
  canvas.fill(field, theme.raised, 6);
  canvas.text(field.inset(10, 0), session.typed + "_", Face::body, theme.ink);

  const float line = canvas.line_height(Face::body) + 8;
  bool first = true;
  for (const PaletteEntry& entry : palette_matches(session.typed)) {
    if (room.h < line) break;
    Rect row = room.take_top(line);
    // Enter selects the first entry
    if (first) canvas.fill(row, theme.raised, 4);
    canvas.element(row, Target::to_command(entry.command));
    row = row.inset(10, 0);
    canvas.fitting_text(row.take_left(row.w * 0.5f, 10), {entry.title}, Face::body,
                        first ? theme.accent : theme.ink);
    canvas.text(row, entry.hint, Face::small, theme.faint_ink, Align::right);
    first = false;
  }
  canvas.leave_overlay();
}

void draw_note_input(Canvas& canvas, Size size, const Session& session) {
  canvas.enter_overlay();
  const Theme& theme = canvas.theme();
  const Rect rect =
      around({size.w / 2, size.h * 0.6f}, std::min(760.f, size.w - 16), canvas.line_height(Face::body) + 28);
  canvas.fill(rect, theme.panel, 10);
  canvas.frame(rect, theme.accent, 2, 10);
  canvas.text(rect.inset(16, 0), "note: " + session.typed + "_", Face::body, theme.ink);
  canvas.leave_overlay();
}

void draw_scene_list(Canvas& canvas, Size size, const Session& session) {
  canvas.enter_overlay();
  const Theme& theme = canvas.theme();
  const auto count = static_cast<float>(scenes().size());
  const float title_h = canvas.line_height(Face::strong), what_h = canvas.line_height(Face::small);
  const float high = title_h + what_h + 16;
  // Without the takeaways if there is little room
  const bool both = high * count + 110 <= size.h;
  Rect room = sheet(canvas, size, 1100, both ? high * count + 90 : size.h, "Scenes");
  const float line = both ? high : std::min(high, room.h / count);
  const Face face = line >= title_h ? Face::strong : Face::small;
  int number = 0;
  for (const Scene& scene : scenes()) {
    ++number;
    Rect row = room.take_top(line);
    canvas.element(row, Target::to_command("scene_" + std::to_string(number)));
    if (session.scene() == &scene) canvas.fill(row.inset(-8, 1), theme.raised, 6);
    row = around(row.centre(), row.w, both ? title_h + 3 + what_h : std::min(title_h, line));
    canvas.text(row.take_left(both ? 40.f : 26.f), number <= 10 ? std::to_string(number % 10) : "", face,
                theme.accent);
    canvas.fitting_text(row.take_top(title_h, 3), {scene.title}, face, theme.ink);
    canvas.fitting_text(row, {scene.takeaway}, Face::small, theme.faint_ink);
  }
  canvas.leave_overlay();
}

}  // namespace ringattn::viz
