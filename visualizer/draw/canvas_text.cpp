#include <imgui.h>

#include <algorithm>
#include <cmath>

#include "visualizer/draw/canvas.h"
#include "visualizer/draw/fonts.h"

namespace ringattn::viz {

namespace {

constexpr std::string_view ellipsis = "\xE2\x80\xA6";
constexpr float leading = 1.2f;  // distance of the lines of a paragraph, in line heights

// Replaces line breaks and other control characters by spaces
std::string on_one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return line;
}

}  // namespace

Size Canvas::text_size(std::string_view text, Face face) const {
  const ImFont& font = fonts_.font(face);
  if (text.empty()) return {0, font.FontSize / unit_};
  const ImVec2 size = font.CalcTextSizeA(font.FontSize, FLT_MAX, 0, text.data(), text.data() + text.size());
  return {size.x / unit_, font.FontSize / unit_};
}

// Up to half a pixel of excess is accepted
bool Canvas::fits(const Rect& rect, const Size& size) const {
  const float slack = 0.5f / unit_;
  return size.w <= rect.w + slack && size.h <= rect.h + slack;
}

// The longest beginning of a text that fits together with an ellipsis
std::string Canvas::shortened(std::string_view text, float width, Face face) const {
  const float room = width - text_size(ellipsis, face).w;
  if (room < 0) return {};
  const ImFont& font = fonts_.font(face);
  const char* end = nullptr;
  font.CalcTextSizeA(font.FontSize, room * unit_, 0, text.data(), text.data() + text.size(), &end);
  std::string part(text.data(), end);
  while (!part.empty() && (part.back() == ' ' || part.back() == '.')) part.pop_back();
  return part.append(ellipsis);
}

Rect Canvas::line_of_text(const Rect& rect, std::string_view text, Face face, Color color, Align align) {
  const Size size = text_size(text, face);
  const float free = std::max(0.f, rect.w - size.w);
  const float left = align == Align::left ? 0 : align == Align::centre ? free / 2 : free;
  const float height = std::min(size.h, rect.h);
  const Rect place{rect.x + left, rect.y + (rect.h - height) / 2, std::min(size.w, rect.w), height};

  // Glyphs start at whole pixels, even if the line is too high for its place and is clipped
  const ImFont& font = fonts_.font(face);
  const ImVec2 corner{std::round(place.x * unit_), std::round((rect.centre().y - size.h / 2) * unit_)};
  const Pixels p = pixels(rect, 0);
  const ImVec4 bounds{p.x0, p.y0, p.x1, p.y1};
  list_.AddText(&font, font.FontSize, corner, IM_COL32(color.r, color.g, color.b, color.a), text.data(),
                text.data() + text.size(), 0, fits({0, 0, size.w, rect.h}, size) ? nullptr : &bounds);
  return place;
}

void Canvas::log(std::string_view text, const Rect& rect, Face face, bool cut) {
  const Rect part = visible_part(rect);
  if (part.empty()) return;
  const bool clipped = !fits(part, {rect.w, rect.h});
  drawing_.texts.push_back({std::string(text), part, face, cut || clipped, layer_});
}

Rect Canvas::text(const Rect& rect, std::string_view text, Face face, Color color, Align align) {
  if (text.empty()) return {rect.x, rect.centre().y, 0, 0};
  std::string line = on_one_line(text);
  const Size size = text_size(line, face);
  if (!fits(rect, {size.w, 0})) line = shortened(line, rect.w, face);
  const Rect place = line_of_text(rect, line, face, color, align);
  log(text, place, face, !fits(rect, size));
  return place;
}

void Canvas::fitting_text(const Rect& rect, std::initializer_list<std::string> texts, Face face, Color color,
                          Align align) {
  fitting_text(rect, std::span(texts.begin(), texts.size()), face, color, align);
}

void Canvas::fitting_text(const Rect& rect, std::span<const std::string> texts, Face face, Color color,
                          Align align) {
  for (const std::string& each : texts) {
    if (!fits(rect, text_size(each, face))) continue;
    text(rect, each, face, color, align);
    return;
  }
}

// ---- Paragraphs -------------------------------------------------------------

std::vector<std::string> Canvas::lines_of(float width, std::string_view text, Face face) const {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view rest = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::string line;
    do {
      // Append the next word to the line, or begin a new line with it
      const std::size_t word_end = std::min(rest.find(' '), rest.size());
      const std::string word(rest.substr(0, word_end));
      rest.remove_prefix(std::min(word_end + 1, rest.size()));
      std::string longer = line;
      if (!line.empty()) longer += ' ';
      longer += word;
      if (!line.empty() && text_size(longer, face).w > width + 0.5f / unit_) {
        lines.push_back(std::move(line));
        line = word;
      } else {
        line = longer;
      }
    } while (!rest.empty());
    lines.push_back(std::move(line));
  }
  return lines;
}

float Canvas::paragraph(const Rect& rect, std::string_view text, Face face, Color color) {
  std::vector<std::string> lines = lines_of(rect.w, text, face);
  if (lines.empty()) return 0;
  // Keep the lines that fit in the height; the last one ends with an ellipsis if lines are missing
  const float height = line_height(face), step = height * leading;
  const float room = std::max(0.f, rect.h - height + 0.5f / unit_);
  const std::size_t fitting = std::min(lines.size(), 1 + static_cast<std::size_t>(room / step));
  bool cut = fitting < lines.size();
  lines.resize(fitting);
  if (cut) lines.back() = shortened(lines.back(), rect.w, face);

  // Draw the lines, shortening those with a word that is too long
  Rect place{rect.x, rect.y, 0, static_cast<float>(fitting - 1) * step + height};
  for (std::size_t i = 0; i < fitting; ++i) {
    const Rect line{rect.x, rect.y + static_cast<float>(i) * step, rect.w, std::min(height, rect.h)};
    const bool whole = fits(line, text_size(lines[i], face));
    if (!whole) lines[i] = shortened(lines[i], rect.w, face), cut = true;
    place.w = std::max(place.w, line_of_text(line, lines[i], face, color, Align::left).w);
  }
  log(text, place, face, cut);
  return place.h;
}

float Canvas::paragraph_height(float width, std::string_view text, Face face) const {
  const std::size_t lines = lines_of(width, text, face).size();
  return lines == 0 ? 0 : line_height(face) * (1 + leading * static_cast<float>(lines - 1));
}

}  // namespace ringattn::viz
