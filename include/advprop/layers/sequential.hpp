// Layers one after the other, with batch norm and the activation behind it fused at compile time; and their names.
#pragma once

#include <array>
#include <concepts>
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
  static_assert((layer<Ls> && ...), "sequential: each of its parts must be a layer, with output and parameters");
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
namespace detail {
template <class L>
using some_state = typename L::template state<1, void, void>;
/// `L` is `Base` or derives from it without a state of its own, so that what the library knows of `Base` holds for it.
template <class L, class Base>
concept runs_as = std::derived_from<L, Base> && std::same_as<some_state<L>, some_state<Base>>;
}  // namespace detail

template <class L>
concept norm_layer = requires {
  typename L::numbers;
}
&&detail::runs_as<L, batch_norm<typename L::numbers>>;
/// A convolution that a batch norm behind it can be folded into.
template <class L>
concept folding_layer = requires {
  requires L::folds;
};
template <class L>
concept activation_layer = requires {
  L::which;
}
&&(detail::runs_as<L, activate<L::which>> || detail::runs_as<L, identity>);

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

[[gnu::cold]] inline std::string position_name(int position) { return std::to_string(position); }

template <class L>
[[gnu::cold]] std::string name_of(int position) {
  if constexpr (named_layer<L>)
    return L::name.text;
  else
    return position_name(position);
}

/// A batch norm and the activation behind it.
template <class Numbers, activation A>
struct fused_norm {
  using numbers = Numbers;
  static constexpr shape output(shape s) { return s; }
  static constexpr long parameters(int in) { return 2L * in; }
  template <int In, class Domains, class Device>
  using state = norm_node<Numbers, A, In, Domains, Device>;
};

template <class L>
inline constexpr bool is_norm = norm_layer<L>;
template <class Numbers, activation A>
inline constexpr bool is_norm<fused_norm<Numbers, A>> = true;

/// What stands in one place of a fused sequence: what runs, what it was written as (for its name), and its position.
template <class Run, class Written, int Position>
struct slot {
  using run = Run;
  using written = Written;
  static constexpr int position = Position;
};
template <class... Slots>
struct slots {};

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

/// What stands where in `sequential` L whose input has `In` channels.
template <class L, int In, class Slots = typename fused_of<typename L::structure>::type>
struct places_of;
template <class L, int In, class... S>
struct places_of<L, In, slots<S...>> {
  static constexpr std::size_t count = sizeof...(S);
  template <std::size_t I>
  using slot = std::tuple_element_t<I, std::tuple<S...>>;

  // Entry i: channels before slot i, and whether anything before it has parameters.
  struct place {
    int channels;
    bool learnt_before;
  };
  static constexpr auto places = [] {
    std::array<place, count + 1> p{};
    p[0] = {In, false};
    [[maybe_unused]] shape s{In, sequential<>::probe, sequential<>::probe};
    std::size_t i = 0;
    ((p[i + 1].learnt_before = p[i].learnt_before || S::run::parameters(s.channels) > 0, s = S::run::output(s),
      p[i + 1].channels = s.channels, ++i),
     ...);
    return p;
  }();

  /// Instantiates every node, so that a layer's refusal is a short message rather than one from deep inside the chain.
  template <class Domains, class Device, std::size_t... I>
  static constexpr bool complete(std::index_sequence<I...>) {
    return (sizeof(node<typename S::run, places[I].channels, Domains, Device>) && ...);
  }
};

/// Whether a device has the operations that do a batch norm's work in the convolution before it.
template <class Device>
concept folding_device = requires(Device& d, const conv_spec& s, feature_view<typename Device::element> x,
                                  const float* w, const norm_parameters& p) {
  conv_norm_forward(d, s, x, w, activation::relu, p, x, x);
};

/// The chain of nodes behind `sequential` L, from slot I on. Keyed on L and not on its pack: symbols stay short.
template <class L, int In, class Domains, class Device, std::size_t I = 0>
class chain {
  using all = places_of<L, In>;
  using slot = typename all::template slot<I>;
  using rest = chain<L, In, Domains, Device, I + 1>;

 public:
  using layer = typename slot::run;

  [[gnu::cold]] void setup(registry& r, const std::string& name) {
    const std::size_t before = r.numbers();
    if constexpr (repeat_layer<layer> && !named_layer<typename slot::written>)
      node_.setup(r, name, slot::position);
    else
      node_.setup(r, join(name, name_of<typename slot::written>(slot::position)));
    end_ = r.layer_ends(before, layer::parameters(all::places[I].channels), name, slot::position);
    rest_.setup(r, name);
  }
  /// Turns x into the output.
  void forward(context<Domains, Device>& c, feature_map<Device>& x) {
    if constexpr (folds) {
      const wrt keep = c.keep_until(rest_.end_);
      if (rest_.node_.joins(c)) {
        x = node_.forward(c, rest_.node_, std::move(x));
        c.keep = keep;
        return rest_.rest_.forward(c, x);
      }
      c.keep = keep;
    }
    const wrt keep = c.keep_until(end_);
    x = node_.forward(c, std::move(x));
    c.keep = keep;
    rest_.forward(c, x);
  }
  /// Turns dy into the gradient of the chain's input, plus `added` if there is something. `below` gave the input; who
  /// takes it has added `added` before.
  template <wrt W>
  void backward(context<Domains, Device>& c, feature_map<Device>& dy, pending_activation<Device>* below,
                feature_map<Device>&& added = {}) {
    if constexpr (folds && W == wrt::input) {
      if (rest_.node_.folds(c)) {
        rest_.rest_.template backward<W>(c, dy, rest_.node_.pending());
        dy = node_.backward(c, rest_.node_, std::move(dy), false, below, std::move(added)).first;
        return;
      }
    }
    // The gradient goes no further down than the first layer that has something to learn.
    constexpr wrt mine = all::places[I].learnt_before && has(W, wrt::parameters) ? wrt::both : W;
    constexpr bool wanted = has(W, wrt::input) || all::places[I + 1].learnt_before;
    rest_.template backward<W>(c, dy, pending_of<Device>(node_));
    if (!c.reaches(end_)) return;
    if constexpr (wanted && folding_layer<layer>) {
      dy = node_.template backward<mine>(c, std::move(dy), std::move(added));
    } else if constexpr (wanted) {
      dy = backward_onto<mine>(node_, c, std::move(dy), added ? nullptr : below);
      if (added) add_onto(c.device, added, dy);
    }
  }
  pending_activation<Device>* pending() {
    if constexpr (I + 1 == all::count)
      return pending_of<Device>(node_);
    else
      return rest_.pending();
  }

 private:
  template <class, int, class, class, std::size_t>
  friend class chain;
  static constexpr bool folds = folding_device<Device> && folding_layer<layer> && is_norm<typename rest::layer>;

  node<layer, all::places[I].channels, Domains, Device> node_;
  int end_ = 0;  // places of this slot's tensors and of all before it are less
  rest rest_;
};
template <class L, int In, class Domains, class Device, std::size_t I>
  requires(I == places_of<L, In>::count)
class chain<L, In, Domains, Device, I> {
 public:
  using layer = void;
  [[gnu::cold]] void setup(registry&, const std::string&) {}
  void forward(context<Domains, Device>&, feature_map<Device>&) {}
  template <wrt W>
  void backward(context<Domains, Device>& c, feature_map<Device>& dy, pending_activation<Device>*,
                feature_map<Device>&& added = {}) {
    if (added) add_onto(c.device, added, dy);
  }
  pending_activation<Device>* pending() { return nullptr; }
};

}  // namespace detail

template <sequential_layer L, int In, class Domains, class Device>
class node<L, In, Domains, Device> {
  using places = detail::places_of<L, In>;
  static_assert(places::template complete<Domains, Device>(std::make_index_sequence<places::count>()));

 public:
  [[gnu::cold]] void setup(registry& r, const std::string& name) { chain_.setup(r, name); }
  feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device>&& x) {
    chain_.forward(c, x);
    return x;
  }
  template <wrt W>
  feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device>&& dy,
                               detail::pending_activation<Device>* below = nullptr, feature_map<Device>&& added = {}) {
    chain_.template backward<W>(c, dy, below, std::move(added));
    return dy;
  }
  detail::pending_activation<Device>* pending() { return chain_.pending(); }

 private:
  detail::chain<L, In, Domains, Device> chain_;
};

template <repeat_layer L, int In, class Domains, class Device>
class node<L, In, Domains, Device> {
  static constexpr bool learnt = L::layer::parameters(In) > 0;
  static_assert(L::layer::output(shape{In, 64, 64}).channels == In, "repeat: the block changes the number of channels");

 public:
  [[gnu::cold]] void setup(registry& r, const std::string& name, int first = 0) {
    for (std::size_t i = 0; i < children_.size(); ++i) {
      children_[i].setup(r, join(name, detail::position_name(first++)));
      ends_[i] = r.places();
    }
  }
  feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device>&& x) {
    for (std::size_t i = 0; i < children_.size(); ++i) {
      const wrt keep = c.keep_until(ends_[i]);
      x = children_[i].forward(c, std::move(x));
      c.keep = keep;
    }
    return x;
  }
  template <wrt W>
  feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device>&& dy,
                               detail::pending_activation<Device>* below = nullptr) {
    constexpr wrt inner = learnt && has(W, wrt::parameters) ? wrt::both : W;
    for (std::size_t i = children_.size(); i-- > 1;) {
      if (!c.reaches(ends_[i])) return dy;
      dy = detail::backward_onto<inner>(children_[i], c, std::move(dy), detail::pending_of<Device>(children_[i - 1]));
    }
    if (children_.empty()) return dy;
    if (!c.reaches(ends_[0])) return dy;
    return detail::backward_onto<W>(children_[0], c, std::move(dy), below);
  }
  detail::pending_activation<Device>* pending() {
    return children_.empty() ? nullptr : detail::pending_of<Device>(children_.back());
  }

 private:
  std::array<node<typename L::layer, In, Domains, Device>, static_cast<std::size_t>(L::count)> children_;
  std::array<int, static_cast<std::size_t>(L::count)> ends_{};  // as in a chain
};

}  // namespace advprop
