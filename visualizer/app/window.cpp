#include "visualizer/app/window.h"

#include <backends/imgui_impl_glfw.h>
#include <backends/imgui_impl_opengl3.h>
#include <imgui.h>
// After the backend, which brings a loader of its own
#include <GLFW/glfw3.h>

#include <algorithm>
#include <map>

#include "reference/definition/input/bad_input.h"

namespace ringattn::viz {

namespace {

// Keys without a character
const std::map<int, std::string> named_keys = {
    {GLFW_KEY_RIGHT, "Right"},
    {GLFW_KEY_LEFT, "Left"},
    {GLFW_KEY_UP, "Up"},
    {GLFW_KEY_DOWN, "Down"},
    {GLFW_KEY_HOME, "Home"},
    {GLFW_KEY_END, "End"},
    {GLFW_KEY_PAGE_UP, "PageUp"},
    {GLFW_KEY_PAGE_DOWN, "PageDown"},
    {GLFW_KEY_TAB, "Tab"},
    {GLFW_KEY_ENTER, "Enter"},
    {GLFW_KEY_KP_ENTER, "Enter"},
    {GLFW_KEY_ESCAPE, "Esc"},
    {GLFW_KEY_BACKSPACE, "Backspace"},
    {GLFW_KEY_F1, "F1"},
    {GLFW_KEY_F5, "F5"},
};

std::string utf8(unsigned codepoint) {
  if (codepoint < 0x80) return {static_cast<char>(codepoint)};
  // The following bytes carry 6 bits each; the first byte tells their number
  std::string following;
  unsigned limit = 0x40;
  while (codepoint >= limit) {
    following.insert(following.begin(), static_cast<char>(0x80 | (codepoint & 0x3F)));
    codepoint >>= 6, limit >>= 1;
  }
  return static_cast<char>((0xFF00u >> (following.size() + 1)) | codepoint) + following;
}

// The last error message; GLFW itself discards it when initialization fails
std::string& glfw_error() {
  static std::string description = "no reason given";
  return description;
}

}  // namespace

Window::Window(int width, int height, const std::string& title, WindowListener listener)
    : listener_(std::move(listener)) {
  const char* const otherwise = "; use ringviz shot, render or movie, which need no display";
  glfwSetErrorCallback([](int, const char* description) { glfw_error() = description; });
  require(glfwInit() == GLFW_TRUE, "[window] a window needs a display; found: ", glfw_error(), otherwise);
  glfwWindowHint(GLFW_CONTEXT_VERSION_MAJOR, 3);
  glfwWindowHint(GLFW_CONTEXT_VERSION_MINOR, 3);
  glfwWindowHint(GLFW_OPENGL_PROFILE, GLFW_OPENGL_CORE_PROFILE);
  glfwWindowHint(GLFW_OPENGL_FORWARD_COMPAT, GLFW_TRUE);
  window_ = glfwCreateWindow(width, height, title.c_str(), nullptr, nullptr);
  if (!window_) {
    const std::string reason = glfw_error();
    glfwTerminate();
    throw BadInput("[window] a window needs OpenGL 3.3; found: " + reason + otherwise);
  }
  glfwMakeContextCurrent(window_);
  vsync(true);
  glfwSetWindowUserPointer(window_, this);
  glfwSetKeyCallback(window_, on_key);
  glfwSetCharCallback(window_, on_character);
  glfwSetCursorPosCallback(window_, on_move);
  glfwSetMouseButtonCallback(window_, on_button);
  glfwSetScrollCallback(window_, on_scroll);

  ImGui::CreateContext();
  ImGui::GetIO().IniFilename = nullptr;
  ImGui_ImplGlfw_InitForOpenGL(window_, false);
  ImGui_ImplOpenGL3_Init("#version 330 core");
}

Window::~Window() {
  ImGui_ImplOpenGL3_Shutdown();
  ImGui_ImplGlfw_Shutdown();
  ImGui::DestroyContext();
  glfwDestroyWindow(window_);
  glfwTerminate();
}

void Window::poll_events(double seconds) {
  if (seconds > 0)
    glfwWaitEventsTimeout(seconds);
  else
    glfwPollEvents();
}

bool Window::closed() const { return glfwWindowShouldClose(window_) == GLFW_TRUE; }
double Window::seconds() const { return glfwGetTime(); }
void Window::copy(const std::string& text) const { glfwSetClipboardString(window_, text.c_str()); }

int Window::width() const {
  int w = 0, h = 0;
  glfwGetFramebufferSize(window_, &w, &h);
  return w;
}

int Window::height() const {
  int w = 0, h = 0;
  glfwGetFramebufferSize(window_, &w, &h);
  return h;
}

void Window::full_screen(bool on) {
  GLFWmonitor* monitor = glfwGetPrimaryMonitor();
  if (!monitor || on == (glfwGetWindowMonitor(window_) != nullptr)) return;
  if (!on) return glfwSetWindowMonitor(window_, nullptr, place_.x, place_.y, place_.width, place_.height, 0);
  glfwGetWindowPos(window_, &place_.x, &place_.y);
  glfwGetWindowSize(window_, &place_.width, &place_.height);
  const GLFWvidmode* mode = glfwGetVideoMode(monitor);
  glfwSetWindowMonitor(window_, monitor, 0, 0, mode->width, mode->height, mode->refreshRate);
}

void Window::vsync(bool on) const { glfwSwapInterval(on ? 1 : 0); }

void Window::update_font_texture(float unit) {
  unit_ = unit;
  ImGui_ImplOpenGL3_DestroyFontsTexture();
  has_fonts_ = false;
}

void Window::begin_frame(Color background) {
  background_ = background;
  ImGui_ImplOpenGL3_NewFrame();
  if (!has_fonts_) {
    // NewFrame creates a texture only together with the shaders, in the first frame
    if (!ImGui::GetIO().Fonts->TexID) ImGui_ImplOpenGL3_CreateFontsTexture();
    // Glyphs start at whole pixels, so the nearest texel is exact, and four times cheaper than interpolation
    const auto texture = reinterpret_cast<std::uintptr_t>(ImGui::GetIO().Fonts->TexID);
    glBindTexture(GL_TEXTURE_2D, static_cast<GLuint>(texture));
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
    has_fonts_ = true;
  }
  ImGui_ImplGlfw_NewFrame();
  ImGui::GetIO().DeltaTime = std::max(ImGui::GetIO().DeltaTime, 1e-4f);
  ImGui::NewFrame();
}

void Window::end_frame() {
  ImGui::Render();
  render();
  glfwSwapBuffers(window_);
}

void Window::render() const {
  const auto part = [](std::uint8_t channel) { return static_cast<float>(channel) / 255; };
  glClearColor(part(background_.r), part(background_.g), part(background_.b), 1);
  glClear(GL_COLOR_BUFFER_BIT);
  ImGui_ImplOpenGL3_RenderDrawData(ImGui::GetDrawData());
}

Image Window::picture() const {
  // Render again: the back buffer may be undefined after the swap
  render();
  Image upside_down(width(), height()), image = upside_down;
  glPixelStorei(GL_PACK_ALIGNMENT, 1);
  glReadPixels(0, 0, image.width, image.height, GL_RGBA, GL_UNSIGNED_BYTE, upside_down.rgba.data());
  const std::size_t row = static_cast<std::size_t>(image.width) * 4;
  for (int y = 0; y < image.height; ++y)
    std::copy_n(upside_down.pixel(0, image.height - 1 - y), row, image.pixel(0, y));
  return image;
}

// ---- Input events -------------------------------------------------------------------

void Window::on_key(GLFWwindow* window, int key, int, int action, int mods) {
  if (action == GLFW_RELEASE) return;
  const auto& self = *static_cast<Window*>(glfwGetWindowUserPointer(window));
  std::string name;
  if (const auto named = named_keys.find(key); named != named_keys.end())
    name = (mods & GLFW_MOD_SHIFT ? "Shift+" : "") + named->second;
  else if (mods & GLFW_MOD_CONTROL)
    if (const char* character = glfwGetKeyName(key, 0)) {
      name = character;
      for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
  if (name.empty()) return;
  self.listener_.key((mods & GLFW_MOD_CONTROL ? "Ctrl+" : "") + name);
}

void Window::on_character(GLFWwindow* window, unsigned codepoint) {
  const auto& self = *static_cast<Window*>(glfwGetWindowUserPointer(window));
  if (codepoint == ' ') return self.listener_.key("Space");
  self.listener_.key(utf8(codepoint));
}

void Window::on_move(GLFWwindow* window, double x, double y) {
  auto& self = *static_cast<Window*>(glfwGetWindowUserPointer(window));
  // GLFW gives screen coordinates, which may differ from pixels
  int w = 1, h = 1;
  glfwGetWindowSize(window, &w, &h);
  const float pixels = static_cast<float>(self.width()) / static_cast<float>(std::max(w, 1));
  self.pointer_ = {static_cast<float>(x) * pixels / self.unit_, static_cast<float>(y) * pixels / self.unit_};
  self.listener_.moved(self.pointer_);
}

// With Shift, the wheel moves across
void Window::on_scroll(GLFWwindow* window, double x, double y) {
  const auto& self = *static_cast<Window*>(glfwGetWindowUserPointer(window));
  const bool shift = glfwGetKey(window, GLFW_KEY_LEFT_SHIFT) == GLFW_PRESS ||
                     glfwGetKey(window, GLFW_KEY_RIGHT_SHIFT) == GLFW_PRESS;
  self.listener_.scrolled(self.pointer_, shift ? -y : -x, shift ? 0 : y);
}

void Window::on_button(GLFWwindow* window, int button, int action, int) {
  const auto& self = *static_cast<Window*>(glfwGetWindowUserPointer(window));
  if (button == GLFW_MOUSE_BUTTON_LEFT) self.listener_.button(self.pointer_, action == GLFW_PRESS);
}

}  // namespace ringattn::viz
