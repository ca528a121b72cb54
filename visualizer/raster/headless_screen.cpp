#include "visualizer/raster/headless_screen.h"

#include <imgui.h>

#include <algorithm>

#include "reference/definition/input/bad_input.h"
#include "visualizer/draw/fonts.h"
#include "visualizer/raster/rasteriser.h"

namespace ringattn::viz {

namespace {

void check_size(int width, int height, double scale) {
  constexpr int largest = 8192;
  require(width >= 64 && height >= 36 && width <= largest && height <= largest,
          "[picture] a picture must have 64 x 36 to ", largest, " x ", largest, " pixels; found ", width,
          " x ", height, "; give a size such as 1600x900");
  require(scale >= 0.5 && scale <= 4, "[picture] the scale must be between 0.5 and 4; found ", scale,
          "; the default is 1");
}

double pixels_per_point(int width, int height, double scale) {
  return std::min(width / 1600.0, height / 900.0) * scale;
}

Size points(int width, int height, double scale) {
  const double unit = pixels_per_point(width, height, scale);
  return {static_cast<float>(width / unit), static_cast<float>(height / unit)};
}

// Makes a context current and opens a frame in it, for the lifetime of the object.
class OpenFrame {
 public:
  explicit OpenFrame(ImGuiContext* context) : before_(ImGui::GetCurrentContext()) {
    ImGui::SetCurrentContext(context);
    ImGui::NewFrame();
  }
  ~OpenFrame() {
    ImGui::EndFrame();
    ImGui::SetCurrentContext(before_);
  }
  OpenFrame(const OpenFrame&) = delete;

 private:
  ImGuiContext* before_;
};

}  // namespace

struct HeadlessScreen::State {
  float unit;
  Size size;
  ImFontAtlas atlas;
  Fonts fonts;
  ImGuiContext* context = nullptr;

  State(int width, int height, double scale)
      : unit(unit_of(width, height, scale)), size(points(width, height, scale)), fonts(atlas, unit) {
    // CreateContext makes the new context current only if there was none
    ImGuiContext* before = ImGui::GetCurrentContext();
    context = ImGui::CreateContext(&atlas);
    ImGui::SetCurrentContext(context);
    ImGuiIO& io = ImGui::GetIO();
    io.IniFilename = io.LogFilename = nullptr;
    io.DeltaTime = 1 / 60.f;
    io.DisplaySize = {static_cast<float>(width), static_cast<float>(height)};
    io.BackendFlags |= ImGuiBackendFlags_RendererHasVtxOffset;
    ImGui::SetCurrentContext(before);
  }
  ~State() { ImGui::DestroyContext(context); }
  State(const State&) = delete;

  Drawing drawn(const Theme& theme, const Draw& draw) {
    Canvas canvas(*ImGui::GetBackgroundDrawList(), fonts, theme, unit);
    draw(canvas);
    return canvas.drawing();
  }
};

HeadlessScreen::HeadlessScreen(int width, int height, double scale)
    : state_((check_size(width, height, scale), std::make_unique<State>(width, height, scale))) {}

HeadlessScreen::~HeadlessScreen() = default;

Size HeadlessScreen::size() const { return state_->size; }

Image HeadlessScreen::picture(const Theme& theme, const Draw& draw, Drawing* drawing) {
  const OpenFrame frame(state_->context);
  Drawing log = state_->drawn(theme, draw);
  if (drawing) *drawing = std::move(log);
  ImGui::Render();
  GlyphTexture texture;
  unsigned char* alpha = nullptr;
  state_->atlas.GetTexDataAsAlpha8(&alpha, &texture.width, &texture.height);
  texture.alpha = alpha;
  return rasterise(*ImGui::GetDrawData(), texture, theme.paper);
}

Drawing HeadlessScreen::log(const Theme& theme, const Draw& draw) {
  const OpenFrame frame(state_->context);
  return state_->drawn(theme, draw);
}

float unit_of(int width, int height, double scale) {
  return static_cast<float>(pixels_per_point(width, height, scale));
}

}  // namespace ringattn::viz
