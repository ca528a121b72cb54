#include <emscripten.h>

#include <exception>

#include "visualizer/app/web/page.h"

// The functions that page.js calls. Texts are UTF-8 and valid until the next call.

namespace {

ringattn::viz::Page* page = nullptr;

const char* kept(std::string text) {
  static std::string last;
  last = std::move(text);
  return last.c_str();
}

}  // namespace

extern "C" {

// Returns the error; empty: none
EMSCRIPTEN_KEEPALIVE const char* page_open() {
  try {
    page = new ringattn::viz::Page;  // as long as the page is open
    return kept("");
  } catch (const std::exception& error) {
    return kept(error.what());
  }
}

EMSCRIPTEN_KEEPALIVE void page_open_link(const char* link) { page->open_link(link); }
EMSCRIPTEN_KEEPALIVE void page_open_trace(const char* name, const char* bytes, int size) {
  page->open_trace(name, {bytes, static_cast<std::size_t>(size)});
}
EMSCRIPTEN_KEEPALIVE const char* page_trace(int run, int wall_times) {
  return kept(page->trace(run, wall_times != 0));
}

EMSCRIPTEN_KEEPALIVE void page_resize(int width, int height, double unit) {
  page->resize(width, height, static_cast<float>(unit));
}
EMSCRIPTEN_KEEPALIVE int page_key(const char* name) { return page->key(name); }
EMSCRIPTEN_KEEPALIVE int page_scroll(float x, float y, double across, double up) {
  return page->scroll({x, y}, across, up);
}
EMSCRIPTEN_KEEPALIVE void page_move(float x, float y) { page->move({x, y}); }
EMSCRIPTEN_KEEPALIVE void page_leave() { page->leave(); }
EMSCRIPTEN_KEEPALIVE void page_button(float x, float y, int down) { page->button({x, y}, down != 0); }
EMSCRIPTEN_KEEPALIVE int page_can_drag(float x, float y) { return page->can_drag({x, y}); }
EMSCRIPTEN_KEEPALIVE void page_scrub(double part) { page->scrub(part); }
EMSCRIPTEN_KEEPALIVE void page_pinch(float x, float y, double factor) { page->pinch({x, y}, factor); }
EMSCRIPTEN_KEEPALIVE void page_command(const char* id) { page->command(id); }
EMSCRIPTEN_KEEPALIVE void page_enter_text(const char* text) { page->enter_text(text); }
EMSCRIPTEN_KEEPALIVE void page_show_panel(const char* name) { page->show_panel(name); }

EMSCRIPTEN_KEEPALIVE void page_draw(double seconds) { page->draw(seconds); }
EMSCRIPTEN_KEEPALIVE const char* page_state() { return kept(page->state()); }
}
