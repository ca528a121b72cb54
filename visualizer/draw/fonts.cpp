#include "visualizer/draw/fonts.h"

#include <imgui.h>

#include "visualizer/resources/embedded.h"

namespace ringattn::viz {

namespace {

struct Type {
  const char* file;
  float points;
  const ImWchar* glyphs;
};

// Pairs of first and last character, terminated by 0. Characters of formulas and captions
constexpr ImWchar formulas[] = {0x0020, 0x00FF,  // Latin
                                0x0370, 0x03FF,  // Greek
                                0x1D2C, 0x1D6A,  // superscript T
                                0x2010, 0x2027,  // dashes, quotes, dots
                                0x2070, 0x209F,  // superscripts and subscripts
                                0x2190, 0x2199,  // arrows
                                0x21D0, 0x21D5,  // double arrows
                                0x2200, 0x22FF,  // operators
                                0x25A0, 0x25FF,  // shapes
                                0x2C7C, 0x2C7C,  // subscript j
                                0xFFFD, 0xFFFD, 0};
// ... and of texts that users enter
constexpr ImWchar texts[] = {0x0020, 0x017F,  // Latin with extensions
                             0x0370, 0x045F,  // Greek and Cyrillic
                             0x1D2C, 0x1D6A, 0x2010, 0x2027, 0x20AC, 0x20AC, 0x2070, 0x209F, 0x2190, 0x21FF,
                             0x2200, 0x22FF, 0x25A0, 0x25FF, 0x2C7C, 0x2C7C, 0xFFFD, 0xFFFD, 0};

const Type& type(Face face) {
  static const Type types[faces] = {
      {"fonts/DejaVuSans.ttf", 14, texts},          // small
      {"fonts/DejaVuSans.ttf", 17, texts},          // body
      {"fonts/DejaVuSans-Bold.ttf", 17, texts},     // strong
      {"fonts/DejaVuSans-Bold.ttf", 22, formulas},  // heading
      {"fonts/DejaVuSans-Bold.ttf", 32, formulas},  // title
      {"fonts/DejaVuSansMono.ttf", 15, texts},      // code
  };
  return types[static_cast<std::size_t>(face)];
}

}  // namespace

Fonts::Fonts(ImFontAtlas& atlas, float unit) {
  atlas.Clear();
  atlas.Flags |= ImFontAtlasFlags_NoMouseCursors | ImFontAtlasFlags_NoBakedLines;
  for (int i = 0; i < faces; ++i) {
    const Type& face = type(static_cast<Face>(i));
    const std::string_view bytes = embedded(face.file);
    ImFontConfig config;
    config.FontDataOwnedByAtlas = false;
    // One texel per pixel: glyphs start at whole pixels
    config.OversampleH = config.OversampleV = 1;
    config.PixelSnapH = true;
    // ImGui only reads font data that it does not own
    fonts_[static_cast<std::size_t>(i)] =
        atlas.AddFontFromMemoryTTF(const_cast<char*>(bytes.data()), static_cast<int>(bytes.size()),
                                   face.points * unit, &config, face.glyphs);
  }
  atlas.Build();
}

float Fonts::points(Face face) { return type(face).points; }

}  // namespace ringattn::viz
