// Residual connections and their shortcuts.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include <advprop/layers/sequential.hpp>

namespace advprop {

/// He et al. 2015, option A: every `Stride`-th pixel, and zero channels to both sides up to `Out`. Nothing to learn.
template <int Out, int Stride>
struct subsample_shortcut {
  static constexpr shape output(shape s) {
    return {Out, (s.height + Stride - 1) / Stride, (s.width + Stride - 1) / Stride};
  }
  static constexpr long parameters(int) { return 0; }

  template <int In, class Domains, class Device>
  class state {
    static_assert(In <= Out, "subsample_shortcut: cannot have fewer channels than its input");

   public:
    void setup(registry&, const std::string&) {}
    feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device> x) {
      in_ = x.image();
      feature_map<Device> y(c.device, x.batch(), output(in_));
      subsample_forward(c.device, Stride, (Out - In) / 2, x, y);
      return y;
    }
    template <wrt W>
    feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device> dy) {
      if constexpr (!has(W, wrt::input)) return {};
      feature_map<Device> dx(c.device, dy.batch(), in_);
      subsample_backward(c.device, Stride, (Out - In) / 2, dy, dx);
      return dx;
    }

   private:
    shape in_;
  };
};

/// y = After(Body(x) + Shortcut(x)). Where the body ends in a batch norm, that norm, the add and `After` (relu,
/// relu6, silu or identity) are one sweep. The body adds no level to names; the shortcut is named by `named`.
template <class Body, class Shortcut = identity, class After = identity>
struct residual {
  using body = Body;
  using shortcut = Shortcut;
  using after = After;
  static constexpr shape output(shape s) { return Body::output(s); }
  static constexpr long parameters(int in) { return Body::parameters(in) + Shortcut::parameters(in); }
};

template <class L>
concept residual_layer = requires {
  typename L::body;
  typename L::shortcut;
  typename L::after;
};

namespace detail {

template <class Front, class... Ls>
struct split_last;
template <class... Front, class Last>
struct split_last<sequential<Front...>, Last> {
  using front = sequential<Front...>;
  using last = Last;
};
template <class... Front, class L, class M, class... Ls>
struct split_last<sequential<Front...>, L, M, Ls...> : split_last<sequential<Front..., L>, M, Ls...> {};

/// The layers before a norm, cut before the convolution that they end in, if the norm folds into it.
template <class Front>
struct cut_convolution {
  using front = Front;
  using conv = void;
};
template <class... Ls>
  requires(sizeof...(Ls) > 0 && folding_layer<bare<typename split_last<sequential<>, Ls...>::last>>)
struct cut_convolution<sequential<Ls...>> {
  using front = typename split_last<sequential<>, Ls...>::front;
  using conv = typename split_last<sequential<>, Ls...>::last;
};

/// A body cut before its last batch norm and the convolution before that; bodies that end otherwise stay whole.
template <class Body>
struct cut {
  using front = Body;
  using conv = void;
  using norm = void;
};
template <class... Ls>
  requires(sizeof...(Ls) > 0 && norm_layer<bare<typename split_last<sequential<>, Ls...>::last>>)
struct cut<sequential<Ls...>> : cut_convolution<typename split_last<sequential<>, Ls...>::front> {
  using norm = typename split_last<sequential<>, Ls...>::last;
  static constexpr int position = sizeof...(Ls) - 1;  // of the norm
};
template <class Body>
struct structure_of {
  using type = Body;
};
template <sequential_layer Body>
struct structure_of<Body> {
  using type = typename Body::structure;
};

/// Named after the block, so that symbols stay short.
template <class Block>
struct body_of : cut<typename structure_of<typename Block::body>::type>::front {};

/// True when both branches of a residual agree; the compiler's message shows the block and the two shapes, which is why
/// they come as numbers and the comparison is one expression.
template <class Block, int BodyChannels, int BodyHeight, int BodyWidth, int ShortcutChannels, int ShortcutHeight,
          int ShortcutWidth>
concept same_shape = ((BodyChannels == ShortcutChannels) & (BodyHeight == ShortcutHeight) &
                      (BodyWidth == ShortcutWidth)) != 0;

}  // namespace detail

template <residual_layer L, int In, class Domains, class Device>
class node<L, In, Domains, Device> {
  static_assert(!named_layer<typename L::body>, "residual: name the layers inside its body, not the body");
  static_assert(activation_layer<typename L::after>,
                "residual: what comes after the sum is relu, relu6, silu or identity, with the state that it has");
  using cut = detail::cut<typename detail::structure_of<typename L::body>::type>;
  using shortcut = detail::bare<typename L::shortcut>;
  static constexpr shape probe{In, 64, 64};
  static constexpr shape to = L::body::output(probe), around = L::shortcut::output(probe);
  static constexpr int width = to.channels;
  static_assert(detail::same_shape<L, to.channels, to.height, to.width, around.channels, around.height, around.width>,
                "residual: body and shortcut give different shapes");

  static constexpr bool ends_in_norm = !std::is_void_v<typename cut::norm>;
  static constexpr bool ends_in_conv = !std::is_void_v<typename cut::conv>;
  static constexpr bool folds = ends_in_conv && detail::folding_device<Device>;
  static constexpr bool learnt_before_conv = cut::front::parameters(In) > 0;
  template <bool>
  struct norm_of {
    using type =
        detail::norm_node<typename detail::bare<typename cut::norm>::numbers, L::after::which, width, Domains, Device>;
  };
  template <bool>
  struct conv_of {
    using type = node<detail::bare<typename cut::conv>, cut::front::output(probe).channels, Domains, Device>;
  };
  struct nothing {};

 public:
  [[gnu::cold]] void setup(registry& r, const std::string& name) {
    begin_ = r.places();
    body_.setup(r, name);
    if constexpr (ends_in_conv) conv_.setup(r, join(name, detail::name_of<typename cut::conv>(cut::position - 1)));
    if constexpr (ends_in_norm) last_.setup(r, join(name, detail::name_of<typename cut::norm>(cut::position)), true);
    shortcut_.setup(r, join(name, detail::name_of<typename L::shortcut>(0)));
  }

  feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device>&& x) {
    feature_map<Device> added = shortcut_.forward(c, feature_map<Device>(x));
    feature_map<Device> y = body_.forward(c, std::move(x));
    if constexpr (folds) {
      if (last_.joins(c)) return conv_.forward(c, last_, std::move(y), std::move(added));
    }
    if constexpr (ends_in_conv) y = conv_.forward(c, std::move(y));
    return last_.forward(c, std::move(y), std::move(added));
  }

  template <wrt W>
  feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device>&& dy,
                               [[maybe_unused]] detail::pending_activation<Device>* below = nullptr) {
    auto [dbody, dshortcut] = backward_end<W>(c, std::move(dy));
    feature_map<Device> ds = shortcut_.template backward<W>(c, std::move(dshortcut)), dx;
    if (!c.reaches(begin_)) ds = {};
    if constexpr (has(W, wrt::input) && sequential_layer<detail::body_of<L>>) {
      dx = body_.template backward<W>(c, std::move(dbody), below, std::move(ds));
    } else {
      if constexpr (has(W, wrt::input) || learnt_before_conv) dx = body_.template backward<W>(c, std::move(dbody));
      if (ds && has(W, wrt::input)) detail::add_onto(c.device, ds, dx);
    }
    return dx;
  }
  detail::pending_activation<Device>* pending() { return detail::pending_of<Device>(last_); }

 private:
  /// Add and activation on their own, for bodies that do not end in a batch norm.
  struct plain {
    node<std::conditional_t<L::after::which == activation::identity, identity, activate<L::after::which>>, width,
         Domains, Device>
        after;
    feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device>&& x, feature_map<Device>&& added) {
      detail::check_added(x, added);
      detail::add_onto(c.device, added, x);
      return after.forward(c, std::move(x));
    }
    template <wrt W>
    std::pair<feature_map<Device>, feature_map<Device>> backward_branches(context<Domains, Device>& c,
                                                                          feature_map<Device>&& dy, bool) {
      feature_map<Device> d = after.template backward<W>(c, std::move(dy));
      return {d, d};  // shared: whoever wants to write over it sees that it is not alone
    }
  };

  /// The gradients of what the body's front gave and of the shortcut's result.
  template <wrt W>
  std::pair<feature_map<Device>, feature_map<Device>> backward_end(context<Domains, Device>& c,
                                                                   feature_map<Device> dy) {
    constexpr wrt inner = has(W, wrt::parameters) ? wrt::both : W;
    if constexpr (folds && W == wrt::input) {
      if (last_.folds(c)) return conv_.backward(c, last_, std::move(dy), true, detail::pending_of<Device>(body_));
    }
    auto both = last_.template backward_branches<inner>(c, std::move(dy), true);
    if constexpr (ends_in_conv) {
      constexpr wrt conv = learnt_before_conv ? inner : W;
      both.first = conv_.template backward<conv>(c, std::move(both.first));
    }
    return both;
  }

  int begin_ = 0;  // the place of its first tensor
  node<detail::body_of<L>, In, Domains, Device> body_;
  [[no_unique_address]]
  typename std::conditional_t<ends_in_conv, conv_of<true>, std::type_identity<nothing>>::type conv_;
  typename std::conditional_t<ends_in_norm, norm_of<true>, std::type_identity<plain>>::type last_;
  node<shortcut, In, Domains, Device> shortcut_;
};

}  // namespace advprop
