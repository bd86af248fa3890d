// Layers one after the other, with batch norm and the activation behind it fused at compile time; and their names.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <advprop/layers/activations.hpp>
#include <advprop/layers/batch_norm.hpp>
#include <advprop/layers/layer.hpp>

namespace advprop {

/// Gives a layer the name that PyTorch has for it in checkpoints; "" adds no level.
template <label Name, class L>
struct named {
  using layer = L;
  static constexpr label name = Name;
  static constexpr shape output(shape s) { return L::output(s); }
  static constexpr long parameters(int in) { return L::parameters(in); }
};

/// Layers in order. Like torch.nn.Sequential, a layer without a name is named by its position.
template <class... Ls>
struct sequential {
  using structure = sequential;
  static constexpr shape output(shape s) {
    ((s = Ls::output(s)), ...);
    return s;
  }
  static constexpr long parameters(int in) {
    long total = 0;
    [[maybe_unused]] shape s{in, probe, probe};
    ((total += Ls::parameters(s.channels), s = Ls::output(s)), ...);
    return total;
  }
  static constexpr int probe = 256;  // any size that survives the strides: channels do not depend on it
};

/// `Count` copies of one block, each with parameters of its own; they compile once. Named by position.
template <int Count, class L>
struct repeat {
  static_assert(Count >= 0);
  using layer = L;
  static constexpr int count = Count;
  static constexpr shape output(shape s) {
    for (int i = 0; i < Count; ++i) s = L::output(s);
    return s;
  }
  static constexpr long parameters(int in) { return Count * L::parameters(in); }
};

template <class L>
concept sequential_layer = requires {
  typename L::structure;
};
template <class L>
concept repeat_layer = requires {
  typename L::layer;
  L::count;
};
template <class L>
concept named_layer = requires {
  typename L::layer;
  L::name;
};
template <class L>
concept norm_layer = requires {
  typename L::numbers;
};
template <class L>
concept activation_layer = requires {
  L::which;
};

namespace detail {

template <class L>
struct bare_of {
  using type = L;
};
template <named_layer L>
struct bare_of<L> {
  using type = typename L::layer;
};
/// The layer behind its name.
template <class L>
using bare = typename bare_of<L>::type;

template <class L>
std::string name_of(int position) {
  if constexpr (named_layer<L>)
    return L::name.text;
  else
    return std::to_string(position);
}

/// A batch norm and the activation behind it.
template <class Numbers, activation A>
struct fused_norm {
  static constexpr shape output(shape s) { return s; }
  static constexpr long parameters(int in) { return 2L * in; }
  template <int In, class Domains, class Device>
  using state = norm_node<Numbers, A, In, Domains, Device>;
};

/// What stands in one place of a fused sequence: what runs, what it was written as (for its name), and its position.
template <class Run, class Written, int Position>
struct slot {
  using run = Run;
  using written = Written;
  static constexpr int position = Position;
};
template <class... Slots>
struct slots {
  using indices = std::index_sequence_for<Slots...>;
};

template <class L>
constexpr int positions() {
  if constexpr (repeat_layer<L>)
    return L::count;
  else
    return 1;
}

template <int Position, class Done, class... Rest>
struct fuse;
template <int Position, class... Done>
struct fuse<Position, slots<Done...>> {
  using type = slots<Done...>;
};
template <int Position, class... Done, class L, class... Rest>
struct fuse<Position, slots<Done...>, L, Rest...> {
  using type = typename fuse<Position + positions<L>(), slots<Done..., slot<bare<L>, L, Position>>, Rest...>::type;
};
template <int Position, class... Done, class L, class A, class... Rest>
  requires(norm_layer<bare<L>>&& activation_layer<A>)
struct fuse<Position, slots<Done...>, L, A, Rest...> {
  using run = fused_norm<typename bare<L>::numbers, A::which>;
  using type = typename fuse<Position + 2, slots<Done..., slot<run, L, Position>>, Rest...>::type;
};

template <class Structure>
struct fused_of;
template <class... Ls>
struct fused_of<sequential<Ls...>> {
  using type = typename fuse<0, slots<>, Ls...>::type;
};

/// The chain of nodes behind `sequential`.
template <class Slots, int In, class Domains, class Device, class Indices = typename Slots::indices>
class chain;
template <class... S, int In, class Domains, class Device, std::size_t... I>
class chain<slots<S...>, In, Domains, Device, std::index_sequence<I...>> {
  static constexpr std::size_t count = sizeof...(S);
  // Entry i: channels before slot i, and whether anything before it has parameters.
  struct place {
    int channels;
    bool learnt_before;
  };
  static constexpr auto places = [] {
    std::array<place, count + 1> p{};
    p[0] = {In, false};
    shape s{In, sequential<>::probe, sequential<>::probe};
    std::size_t i = 0;
    ((p[i + 1].learnt_before = p[i].learnt_before || S::run::parameters(s.channels) > 0, s = S::run::output(s),
      p[i + 1].channels = s.channels, ++i),
     ...);
    return p;
  }();

  // Here rather than deep inside the tuple, so that a layer's refusal is a short message.
  static_assert((sizeof(node<typename S::run, places[I].channels, Domains, Device>) && ...));

 public:
  void setup(registry& r, const std::string& name) {
    each([&]<class Slot>(auto& child) {
      if constexpr (repeat_layer<typename Slot::run> && !named_layer<typename Slot::written>)
        child.setup(r, name, Slot::position);
      else
        child.setup(r, join(name, name_of<typename Slot::written>(Slot::position)));
    });
  }
  feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device> x) {
    each([&]<class Slot>(auto& child) { x = child.forward(c, std::move(x)); });
    return x;
  }
  template <wrt W>
  feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device> dy) {
    // The gradient goes no further down than the first layer that has something to learn.
    each_backward([&]<std::size_t At>(auto& child) {
      constexpr wrt mine = places[At].learnt_before && has(W, wrt::parameters) ? wrt::both : W;
      constexpr bool wanted = has(W, wrt::input) || places[At + 1].learnt_before;
      if constexpr (wanted) dy = child.template backward<mine>(c, std::move(dy));
    });
    return dy;
  }

 private:
  template <class F>
  void each(F&& f) {
    (f.template operator()<S>(std::get<I>(children_)), ...);
  }
  template <class F>
  void each_backward(F&& f) {
    (f.template operator()<count - 1 - I>(std::get<count - 1 - I>(children_)), ...);
  }

  std::tuple<node<typename S::run, places[I].channels, Domains, Device>...> children_;
};

}  // namespace detail

template <sequential_layer L, int In, class Domains, class Device>
class node<L, In, Domains, Device> {
 public:
  void setup(registry& r, const std::string& name) { chain_.setup(r, name); }
  feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device> x) {
    return chain_.forward(c, std::move(x));
  }
  template <wrt W>
  feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device> dy) {
    return chain_.template backward<W>(c, std::move(dy));
  }

 private:
  detail::chain<typename detail::fused_of<typename L::structure>::type, In, Domains, Device> chain_;
};

template <repeat_layer L, int In, class Domains, class Device>
class node<L, In, Domains, Device> {
  static constexpr bool learnt = L::layer::parameters(In) > 0;
  static_assert(L::layer::output(shape{In, 64, 64}).channels == In, "repeat: the block changes the number of channels");

 public:
  void setup(registry& r, const std::string& name, int first = 0) {
    for (auto& child : children_) child.setup(r, join(name, std::to_string(first++)));
  }
  feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device> x) {
    for (auto& child : children_) x = child.forward(c, std::move(x));
    return x;
  }
  template <wrt W>
  feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device> dy) {
    constexpr wrt inner = learnt && has(W, wrt::parameters) ? wrt::both : W;
    for (std::size_t i = children_.size(); i-- > 1;) dy = children_[i].template backward<inner>(c, std::move(dy));
    if (children_.empty()) return dy;
    return children_[0].template backward<W>(c, std::move(dy));
  }

 private:
  std::array<node<typename L::layer, In, Domains, Device>, static_cast<std::size_t>(L::count)> children_;
};

}  // namespace advprop
