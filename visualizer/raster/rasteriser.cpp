#include "visualizer/raster/rasteriser.h"

#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "visualizer/raster/triangle.h"

namespace ringattn::viz {

namespace {

constexpr int half_pixel = fine / 2;

// The target of the triangles: a picture with a clip rectangle, and the texture.
struct Surface {
  Image& image;
  const GlyphTexture& texture;
  int left, top, right, bottom;
};

std::uint8_t blended(int below, int above, int alpha) {
  const int sum = above * alpha + below * (255 - alpha) + 128;
  return static_cast<std::uint8_t>((sum + (sum >> 8)) >> 8);  // sum / 255, rounded
}

void put(std::uint8_t* pixel, Color color, int alpha) {
  pixel[0] = blended(pixel[0], color.r, alpha);
  pixel[1] = blended(pixel[1], color.g, alpha);
  pixel[2] = blended(pixel[2], color.b, alpha);
}

void put_span(const Surface& surface, int y, int from, int to, Color color) {
  from = std::max(from, surface.left);
  to = std::min(to, surface.right);
  if (from >= to || color.a == 0) return;
  std::uint8_t* pixel = surface.image.pixel(from, y);
  if (color.a < 255) {
    for (int x = from; x < to; ++x, pixel += 4) put(pixel, color, color.a);
    return;
  }
  std::uint32_t whole;
  std::memcpy(&whole, &color, sizeof whole);
  for (int x = from; x < to; ++x, pixel += 4) std::memcpy(pixel, &whole, sizeof whole);
}

int coverage(const GlyphTexture& texture, int u, int v) {
  u = std::clamp(u, 0, texture.width - 1);
  v = std::clamp(v, 0, texture.height - 1);
  return texture.alpha[static_cast<std::size_t>(v) * static_cast<std::size_t>(texture.width) +
                       static_cast<std::size_t>(u)];
}

int times(int a, int b) { return blended(0, a, b); }

bool one_texel(const Corner& a, const Corner& b) { return a.u == b.u && a.v == b.v; }

// The colour of a corner, its opacity multiplied by the texture there
Color thinned(const GlyphTexture& texture, const Corner& corner) {
  Color color = corner.color;
  const int covered = coverage(texture, static_cast<int>(corner.u), static_cast<int>(corner.v));
  color.a = static_cast<std::uint8_t>(times(color.a, covered));
  return color;
}

// ---- Axis-aligned rectangles: most of a picture ------------------------------

// The rectangle from corner _a_ to corner _c_: one colour, or a glyph
void draw_rectangle(const Surface& surface, const Corner& a, const Corner& c) {
  const int x0 = first_pixel(a.x), x1 = first_pixel(c.x);
  const int y0 = std::max(first_pixel(a.y), surface.top), y1 = std::min(first_pixel(c.y), surface.bottom);
  // One colour
  if (one_texel(a, c)) {
    const Color color = thinned(surface.texture, a);
    for (int y = y0; y < y1; ++y) put_span(surface, y, x0, x1, color);
    return;
  }
  // A glyph: interpolate the texture coordinates, nearest texel
  const double du = static_cast<double>(c.u - a.u) / (c.x - a.x);
  const double dv = static_cast<double>(c.v - a.v) / (c.y - a.y);
  const int from = std::max(x0, surface.left), to = std::min(x1, surface.right);
  for (int y = y0; y < y1; ++y) {
    const int v = static_cast<int>(a.v + (y * fine + half_pixel - a.y) * dv);
    for (int x = from; x < to; ++x) {
      const int u = static_cast<int>(a.u + (x * fine + half_pixel - a.x) * du);
      const int alpha = times(a.color.a, coverage(surface.texture, u, v));
      if (alpha > 0) put(surface.image.pixel(x, y), a.color, alpha);
    }
  }
}

// ---- Triangles --------------------------------------------------------------

void draw_row(const Surface& surface, const Triangle& t, int y, int from, int to) {
  const std::int64_t py = std::int64_t{y} * fine + half_pixel;
  for (int x = from; x < to; ++x) {
    const Triangle::Shares s = t.shares(std::int64_t{x} * fine + half_pixel, py);
    const Color color{static_cast<std::uint8_t>(t.mixed(s, t.a.color.r, t.b.color.r, t.c.color.r)),
                      static_cast<std::uint8_t>(t.mixed(s, t.a.color.g, t.b.color.g, t.c.color.g)),
                      static_cast<std::uint8_t>(t.mixed(s, t.a.color.b, t.b.color.b, t.c.color.b)),
                      static_cast<std::uint8_t>(t.mixed(s, t.a.color.a, t.b.color.a, t.c.color.a))};
    const int covered =
        coverage(surface.texture, t.texel(s, t.a.u, t.b.u, t.c.u), t.texel(s, t.a.v, t.b.v, t.c.v));
    put(surface.image.pixel(x, y), color, times(color.a, covered));
  }
}

void draw_triangle(const Surface& surface, Corner a, Corner b, Corner c) {
  // Orient the corners, so that the area is positive
  if (Edge(a, b).distance(c.x, c.y) < 0) std::swap(b, c);
  const Triangle t(a, b, c);
  if (t.area == 0) return;
  const bool plain = a.color == b.color && b.color == c.color && one_texel(a, b) && one_texel(b, c);
  const Color color = thinned(surface.texture, a);

  // Draw row by row, between the edges
  const int top = std::max(surface.top, first_pixel(std::min({a.y, b.y, c.y})));
  const int bottom = std::min(surface.bottom, first_pixel(std::int64_t{std::max({a.y, b.y, c.y})} + 1));
  for (int y = top; y < bottom; ++y) {
    const std::int64_t py = std::int64_t{y} * fine + half_pixel;
    int from = surface.left, to = surface.right;
    for (const Edge* edge : {&t.ab, &t.bc, &t.ca}) edge->narrow(py, from, to);
    if (from >= to) continue;
    if (plain) {
      put_span(surface, y, from, to, color);
    } else {
      draw_row(surface, t, y, from, to);
    }
  }
}

// ---- Commands ---------------------------------------------------------------

int in_fine(float position) {
  constexpr float far = 32767;  // positions beyond are moved here
  if (!(position > -far)) position = -far;
  return static_cast<int>(std::floor(std::min(position, far) * fine + 0.5f));
}

float in_texels(float position, int size) {
  if (!(position > 0)) position = 0;
  return std::min(position, 1.f) * static_cast<float>(size);
}

Corner corner(const ImDrawVert& vertex, ImVec2 origin, const GlyphTexture& texture) {
  return {in_fine(vertex.pos.x - origin.x),
          in_fine(vertex.pos.y - origin.y),
          in_texels(vertex.uv.x, texture.width),
          in_texels(vertex.uv.y, texture.height),
          {static_cast<std::uint8_t>(vertex.col >> IM_COL32_R_SHIFT),
           static_cast<std::uint8_t>(vertex.col >> IM_COL32_G_SHIFT),
           static_cast<std::uint8_t>(vertex.col >> IM_COL32_B_SHIFT),
           static_cast<std::uint8_t>(vertex.col >> IM_COL32_A_SHIFT)}};
}

// Whether the triangles a b c and a c d form an axis-aligned rectangle of one colour
bool is_rectangle(const Corner& a, const Corner& b, const Corner& c, const Corner& d) {
  return a.x == d.x && b.x == c.x && a.y == b.y && c.y == d.y && a.x < c.x && a.y < c.y &&
         a.color == b.color && b.color == c.color && c.color == d.color && a.u == d.u && b.u == c.u &&
         a.v == b.v && c.v == d.v;
}

void draw_command(const Surface& surface, const ImDrawList& list, const ImDrawCmd& command, ImVec2 origin) {
  const ImDrawIdx* index = list.IdxBuffer.Data + command.IdxOffset;
  const auto at = [&](unsigned i) {
    return corner(list.VtxBuffer[static_cast<int>(command.VtxOffset + index[i])], origin, surface.texture);
  };
  for (unsigned i = 0; i + 2 < command.ElemCount; i += 3) {
    const Corner a = at(i), b = at(i + 1), c = at(i + 2);
    const bool pair = i + 5 < command.ElemCount && index[i + 3] == index[i] && index[i + 4] == index[i + 2];
    if (pair && is_rectangle(a, b, c, at(i + 5))) {
      draw_rectangle(surface, a, c);
      i += 3;
    } else {
      draw_triangle(surface, a, b, c);
    }
  }
}

}  // namespace

Image rasterise(const ImDrawData& data, const GlyphTexture& texture, Color background) {
  Image image(static_cast<int>(data.DisplaySize.x), static_cast<int>(data.DisplaySize.y));
  // Fill the background
  const Surface all{image, texture, 0, 0, image.width, image.height};
  background.a = 255;
  for (int y = 0; y < image.height; ++y) put_span(all, y, 0, image.width, background);

  const auto inside = [](float position, int size) {
    return static_cast<int>(std::clamp(position, 0.f, static_cast<float>(size)));
  };
  // Draw the commands in order, each within its clip rectangle
  for (int i = 0; i < data.CmdListsCount; ++i) {
    const ImDrawList& list = *data.CmdLists[i];
    for (const ImDrawCmd& command : list.CmdBuffer) {
      if (command.UserCallback) continue;
      const ImVec4& clip = command.ClipRect;
      const Surface part{image,
                         texture,
                         inside(clip.x - data.DisplayPos.x, image.width),
                         inside(clip.y - data.DisplayPos.y, image.height),
                         inside(clip.z - data.DisplayPos.x, image.width),
                         inside(clip.w - data.DisplayPos.y, image.height)};
      draw_command(part, list, command, data.DisplayPos);
    }
  }
  return image;
}

}  // namespace ringattn::viz
