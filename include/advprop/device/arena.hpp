// Memory for activations and workspace: taken from the system once, then handed out and taken back without it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <advprop/core/error.hpp>

#if defined(__SANITIZE_ADDRESS__)
#define ADVPROP_ASAN
#elif defined(__has_feature)  // clang's way
#if __has_feature(address_sanitizer)
#define ADVPROP_ASAN
#endif
#endif
#if defined(ADVPROP_ASAN)
#include <sanitizer/asan_interface.h>
#define ADVPROP_POISON(p, n) __asan_poison_memory_region(p, n)
#define ADVPROP_UNPOISON(p, n) __asan_unpoison_memory_region(p, n)
#else
#define ADVPROP_POISON(p, n) ((void)0)
#define ADVPROP_UNPOISON(p, n) ((void)0)
#endif

namespace advprop {

/// Memory that the processor may not be able to write to, such as a GPU's. `take` returns null when there is no more;
/// what it returns is aligned to the arena's unit.
struct memory_source {
  std::function<void*(std::size_t bytes)> take;
  std::function<void(void*)> give;
};

/// A first-fit allocator over a few large slabs. The same sequence of requests always gets the same addresses, so one
/// dry run (`cpu(dry_run{})`) tells the peak. Not thread-safe: one device serves one thread of control.
class arena {
  struct alignas(64) header {  // stands before every block; blocks of a slab lie back to back
    std::size_t size;          // payload bytes; with this header a multiple of the arena's unit
    header* previous;          // the block before, null for a slab's first
    int references;            // 0 = free
    bool last;
    std::byte* data;  // the block's memory: the payload itself, or as many bytes of the source's slab
    std::byte* payload() { return reinterpret_cast<std::byte*>(this + 1); }
    header* next() { return last ? nullptr : reinterpret_cast<header*>(payload() + size); }
  };

 public:
  static constexpr std::size_t alignment = 64;  ///< of every block at least

  /// Shared ownership of one block; the last copy to go gives the memory back.
  class block {
   public:
    block() = default;
    block(const block& o) : arena_(o.arena_), header_(o.header_) {
      if (header_) ++header_->references;
    }
    block(block&& o) noexcept : arena_(std::exchange(o.arena_, nullptr)), header_(std::exchange(o.header_, nullptr)) {}
    block& operator=(const block& o) noexcept { return *this = block(o); }
    [[gnu::noinline]] block& operator=(block&& o) noexcept {  // a call, as layers have hundreds of these
      block old(std::move(o));
      std::swap(arena_, old.arena_);
      std::swap(header_, old.header_);
      return *this;
    }
    ~block() {
      if (header_) reset();
    }
    void* data() const { return header_ ? header_->data : nullptr; }
    /// True when no other handle shares the memory, so it may be overwritten.
    bool unique() const { return header_ && header_->references == 1; }
    explicit operator bool() const { return header_ != nullptr; }

   private:
    friend arena;
    [[gnu::noinline]] void reset() noexcept {
      if (header_ && --header_->references == 0) arena_->release(header_);
      header_ = nullptr;
    }
    block(arena* a, header* h) : arena_(a), header_(h) {}
    arena* arena_ = nullptr;
    header* header_ = nullptr;
  };

  /// What slabs are made of. `addresses` take no memory but for a page where a block begins: nothing may be stored.
  enum class backing { memory, addresses };

  /// Blocks take multiples of `unit`, a power of two from `alignment` up.
  explicit arena(backing b = backing::memory, std::size_t unit = alignment) : backing_(b), unit_(unit) {}
  /// Slabs from elsewhere, where blocks are aligned to `unit`; their headers lie in addresses of the processor's that
  /// mirror them. The peak is that of an arena of addresses with the same unit.
  arena(memory_source source, std::size_t unit)
      : backing_(backing::addresses), source_(std::move(source)), unit_(unit) {}
  arena(const arena&) = delete;
  arena& operator=(const arena&) = delete;
  ~arena() {
    for (auto& s : slabs_) {
      unpoison(s.memory.get(), s.bytes);
      if (source_.give) source_.give(s.elsewhere);
    }
  }

  /// `bytes` of uninitialised memory. Throws `memory_error` naming the sizes when the system has no more.
  [[gnu::noinline]] block allocate(std::size_t bytes) {
    const std::size_t size = rounded(std::max(bytes, std::size_t{1}));
    for (auto& s : slabs_)
      for (header* h = s.first(); h; h = h->next())
        if (h->references == 0 && h->size >= size) return take(h, size);
    reserve(std::max(size, minimum_slab));
    return take(slabs_.back().first(), size);
  }

  /// Takes one slab of at least `bytes` from the system, so that later requests up to that need none.
  [[gnu::noinline]] void reserve(std::size_t bytes) {
    const std::size_t size = rounded(bytes);
    slab s{{nullptr, free_slab(0)}, size + sizeof(header), nullptr};
    try {
      s.memory = obtain(s.bytes);
      if (source_.take && !(s.elsewhere = source_.take(s.bytes))) throw std::bad_alloc();
    } catch (const std::bad_alloc&) {
      fail<memory_error>("out of memory: ", size >> 20, " MiB more were asked for on top of ", reserved() >> 20,
                         " MiB");
    }
    // Where no headers lie between the blocks, each begins where its header would.
    std::byte* const data = s.elsewhere ? static_cast<std::byte*>(s.elsewhere) : s.memory.get() + sizeof(header);
    new (s.memory.get()) header{size, nullptr, 0, true, data};
    poison(s.memory.get() + sizeof(header), size);
    slabs_.push_back(std::move(s));
  }

  std::size_t in_use() const { return in_use_; }
  /// The most bytes in use at one time since construction or `reset_peak`.
  std::size_t peak() const { return peak_; }
  void reset_peak() { peak_ = in_use_; }
  /// Bytes taken from the system, and how often the system was asked.
  std::size_t reserved() const {
    std::size_t n = 0;
    for (const auto& s : slabs_) n += s.bytes;
    return n;
  }
  std::size_t slabs() const { return slabs_.size(); }

  /// Whether an address lies in one of the slabs.
  bool owns(const void* p) const {
    for (const auto& s : slabs_) {
      const void* first = s.elsewhere ? s.elsewhere : s.memory.get();
      if (!std::less<>()(p, first) && std::less<>()(p, static_cast<const std::byte*>(first) + s.bytes)) return true;
    }
    return false;
  }

 private:
  static constexpr std::size_t minimum_slab = std::size_t{16} << 20;
  static constexpr std::size_t slab_alignment = std::size_t{2} << 20;  // a large page
  /// Up to what is a multiple of the unit with a header. More than any system has (a size below zero, say) must
  /// not wrap round to little.
  std::size_t rounded(std::size_t bytes) const {
    const std::size_t most = PTRDIFF_MAX - 2 * unit_;
    return (std::min(bytes, most) + sizeof(header) + unit_ - 1) / unit_ * unit_ - sizeof(header);
  }
  struct free_slab {
    std::size_t mapped;
    explicit free_slab(std::size_t bytes) : mapped(bytes) {}
    void operator()(std::byte* p) const {
#if defined(__linux__)
      if (mapped != 0) {
        munmap(p, mapped);
        return;
      }
#endif
      ::operator delete (p, std::align_val_t{slab_alignment});
    }
  };
  struct slab {
    std::unique_ptr<std::byte, free_slab> memory;
    std::size_t bytes;
    void* elsewhere;  // the source's memory
    header* first() { return reinterpret_cast<header*>(memory.get()); }
  };

  std::unique_ptr<std::byte, free_slab> obtain(std::size_t bytes) const {
#if defined(__linux__)
    if (backing_ == backing::addresses) {
      void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (p == MAP_FAILED) throw std::bad_alloc();
      madvise(p, bytes, MADV_NOHUGEPAGE);  // a block's header shall touch a small page
      return {static_cast<std::byte*>(p), free_slab(bytes)};
    }
#endif
    void* p = ::operator new (bytes, std::align_val_t{slab_alignment});
#if defined(__linux__)
    // Large pages, where the system has them: a convolution walks over dozens of streams at once. A hint; may fail.
    madvise(p, bytes, MADV_HUGEPAGE);
#endif
    return {static_cast<std::byte*>(p), free_slab(0)};
  }

  // Nobody reads or writes an arena of addresses, and its shadow would be memory.
  void poison([[maybe_unused]] void* p, [[maybe_unused]] std::size_t bytes) const {
    if (backing_ == backing::memory) ADVPROP_POISON(p, bytes);
  }
  void unpoison([[maybe_unused]] void* p, [[maybe_unused]] std::size_t bytes) const {
    if (backing_ == backing::memory) ADVPROP_UNPOISON(p, bytes);
  }

  block take(header* h, std::size_t size) {
    if (h->size >= size + sizeof(header) + alignment) {  // split: the rest stays free
      unpoison(h->payload() + size, sizeof(header));
      auto* rest = new (h->payload() + size)
          header{h->size - size - sizeof(header), h, 0, h->last, h->data + size + sizeof(header)};
      if (header* after = rest->next()) after->previous = rest;
      h->size = size;
      h->last = false;
    }
    h->references = 1;
    in_use_ += h->size + sizeof(header);
    peak_ = std::max(peak_, in_use_);
    unpoison(h->payload(), h->size);
    return {this, h};
  }

  [[gnu::noinline]] void release(header* h) {
    in_use_ -= h->size + sizeof(header);
    poison(h->payload(), h->size);  // not what it is merged with, which may be most of a slab, and is
    if (header* n = h->next(); n && n->references == 0) merge(h, n);
    if (header* p = h->previous; p && p->references == 0) merge(p, h);
  }

  void merge(header* left, header* right) const {
    left->size += sizeof(header) + right->size;
    left->last = right->last;
    if (header* after = left->next()) after->previous = left;
    poison(right, sizeof(header));
  }

  backing backing_;
  memory_source source_;
  std::size_t unit_ = alignment;
  std::vector<slab> slabs_;
  std::size_t in_use_ = 0, peak_ = 0;
};

}  // namespace advprop
