// A device whose memory is the host's, and whose operations are the CPU's. To torch it is an accelerator: its tensors do not mix
// with the CPU's, and values move between the two by copies. A listener is told of what would make a GPU wait.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/Allocator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/extension.h>
#include <torch/library.h>

#include <set>
#include <string>

namespace {

constexpr auto KIND = c10::DeviceType::PrivateUse1;
constexpr c10::DispatchKeySet KEYS(c10::DispatchKey::PrivateUse1);
const c10::Device DEVICE(KIND, 0);
const size_t BYTES = size_t(64) << 30;  // of memory, as a large GPU has

// What torch asks of a device

struct Memory final : c10::DeviceAllocator {
  at::DataPtr allocate(size_t size) override {
    void* data = size ? std::malloc(size) : nullptr;
    return {data, data, &std::free, DEVICE};
  }
  at::DeleterFnPtr raw_deleter() const override { return &std::free; }
  void copy_data(void* to, const void* from, std::size_t count) const override { default_copy_data(to, from, count); }
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override { return {}; }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override {}
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex) override { return {BYTES, BYTES}; }
};
Memory memory;
REGISTER_ALLOCATOR(KIND, &memory);

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return KIND; }
  c10::Device exchangeDevice(c10::Device) const override { return DEVICE; }
  c10::Device getDevice() const override { return DEVICE; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device device) const override { return c10::Stream(c10::Stream::DEFAULT, device); }
  c10::Stream exchangeStream(c10::Stream stream) const override { return stream; }
  c10::Stream getDefaultStream(c10::Device device) const override { return getStream(device); }
  c10::Stream getNewStream(c10::Device device, int) const override { return getStream(device); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const c10::Stream&, const c10::DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, const c10::DeviceIndex) const noexcept override {}
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream&) const override {}
  void synchronizeDevice(const c10::DeviceIndex) const override {}
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

struct Numbers final : at::CPUGeneratorImpl {
  Numbers() {
    device_ = DEVICE;
    key_set_ = KEYS;
  }
};

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  c10::Allocator* getPinnedMemoryAllocator() const override { return at::getCPUAllocator(); }
  bool isPinnedPtr(const void*) const override { return false; }
  c10::Device getDeviceFromPtr(void*) const override { return DEVICE; }
  at::Generator getNewGenerator(c10::DeviceIndex) const override { return at::make_generator<Numbers>(); }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex index) const override {
    static at::Generator generator = getNewGenerator(index);
    return generator;
  }
};

// What would make a GPU wait

py::function& listener = *new py::function();  // never destroyed: at the end of the process there is no interpreter
thread_local bool quiet = false;
const std::set<std::string> WAITING = {
    "aten::nonzero", "aten::masked_select", "aten::_unique2", "aten::unique_dim", "aten::unique_consecutive",
    "aten::equal",   "aten::bincount",      "aten::histc",    "aten::_linalg_check_errors"};

void tell(const std::string& what) {
  if (!listener || quiet) return;
  py::gil_scoped_acquire acquired;
  listener(what);
}

// The same memory as a tensor of the CPU, and of the device

bool is_here(const at::Tensor& tensor) { return tensor.defined() && tensor.device().type() == KIND; }

at::Tensor as_host(const at::Tensor& tensor) {
  if (!is_here(tensor)) return tensor;
  auto options = tensor.options().device(at::kCPU).requires_grad(false);
  return at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(), [tensor](void*) {}, options);
}

at::Tensor as_device(const at::Tensor& host) {
  if (!host.defined()) return host;
  const auto& storage = host.storage();
  auto release = [](void* kept) { delete static_cast<at::Tensor*>(kept); };
  at::DataPtr data(storage.mutable_data(), new at::Tensor(host), release, DEVICE);
  c10::Storage moved(c10::Storage::use_byte_size_t(), storage.nbytes(), std::move(data), &memory, /*resizable=*/true);
  auto result = at::detail::make_tensor<c10::TensorImpl>(std::move(moved), KEYS, host.dtype());
  result.unsafeGetTensorImpl()->set_storage_offset(host.storage_offset());
  result.unsafeGetTensorImpl()->set_sizes_and_strides(host.sizes(), host.strides());
  return result;
}

// Operations of a tensor's memory

at::Tensor empty(at::SymIntArrayRef size, std::optional<at::ScalarType> type, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(C10_AS_INTARRAYREF_SLOW(size), &memory, KEYS, c10::dtype_or_default(type), format);
}

at::Tensor empty_strided(at::SymIntArrayRef size, at::SymIntArrayRef stride, std::optional<at::ScalarType> type,
                         std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride), &memory, KEYS,
                                           c10::dtype_or_default(type));
}

at::Tensor copy_from(const at::Tensor& self, const at::Tensor& to, bool) {
  if (self.device() != to.device()) tell(is_here(to) ? "upload" : "download");
  as_host(to).copy_(as_host(self));
  return to;
}

at::Tensor copy_from_and_resize(const at::Tensor& self, const at::Tensor& to) {
  to.resize_(self.sizes());
  return copy_from(self, to, false);
}

at::Scalar local_scalar_dense(const at::Tensor& self) {
  tell("scalar");
  return as_host(self).item();
}

const at::Tensor& resize(const at::Tensor& self, at::SymIntArrayRef size, std::optional<at::MemoryFormat>) {
  auto* impl = self.unsafeGetTensorImpl();
  auto sizes = C10_AS_INTARRAYREF_SLOW(size);
  size_t bytes = (c10::multiply_integers(sizes) + self.storage_offset()) * self.itemsize();
  auto& storage = const_cast<c10::Storage&>(impl->unsafe_storage());
  if (bytes > storage.nbytes()) {
    auto data = memory.allocate(bytes);
    if (storage.nbytes()) std::memcpy(data.get(), storage.data(), storage.nbytes());
    storage.set_data_ptr_noswap(std::move(data));
    storage.set_nbytes(bytes);
  }
  if (sizes != self.sizes()) impl->set_sizes_contiguous(sizes);
  return self;
}

at::Tensor& set_storage(at::Tensor& self, at::Storage source, at::SymInt offset, at::SymIntArrayRef size,
                        at::SymIntArrayRef stride) {
  auto* impl = self.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(source);
  impl->set_storage_offset(offset.expect_int());
  impl->set_sizes_and_strides(C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride));
  return self;
}

at::Tensor& set_whole_storage(at::Tensor& self, at::Storage source) {
  c10::SymInt size(static_cast<int64_t>(source.nbytes() / self.itemsize()));
  return set_storage(self, source, 0, {size}, {c10::SymInt(1)});
}

at::Tensor as_strided(const at::Tensor& self, at::IntArrayRef size, at::IntArrayRef stride, std::optional<int64_t> offset) {
  return at::native::as_strided_tensorimpl(self, size, stride, offset);
}

at::Tensor view(const at::Tensor& self, at::IntArrayRef size) { return at::native::view(self, size); }

at::Tensor reshape_alias(const at::Tensor& self, at::IntArrayRef size, at::IntArrayRef stride) {
  return at::native::_reshape_alias(self, size, stride);
}

// Convolutions, which torch does not send to the fallback

at::Tensor convolution(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                       at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                       at::IntArrayRef output_padding, int64_t groups) {
  std::optional<at::Tensor> host_bias;
  if (bias && bias->defined()) host_bias = as_host(*bias);
  return as_device(at::convolution(as_host(input), as_host(weight), host_bias, stride, padding, dilation, transposed,
                                   output_padding, groups));
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(
    const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& weight, at::IntArrayRef stride,
    at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed, at::IntArrayRef output_padding, int64_t groups,
    std::array<bool, 3> wanted) {
  const int64_t outputs = transposed ? weight.size(1) * groups : weight.size(0);
  auto [of_input, of_weight, of_bias] =
      at::convolution_backward(as_host(gradient), as_host(input), as_host(weight), at::IntArrayRef({outputs}), stride, padding,
                               dilation, transposed, output_padding, groups, wanted);
  return {as_device(of_input), as_device(of_weight), as_device(of_bias)};
}

// Every other operation

void check_arguments(const c10::FunctionSchema& schema, const torch::jit::Stack& stack, size_t first) {
  // A number (no dimensions) of the CPU may go with tensors of a device, and so may an index. Any other tensor may not.
  const bool indexes = schema.name().find("index") != std::string::npos;
  bool here = false, elsewhere = false;
  auto see = [&](const at::Tensor& tensor) {
    here |= is_here(tensor);
    elsewhere |= tensor.defined() && !is_here(tensor) && tensor.dim() > 0;
  };
  for (size_t i = first; i < stack.size(); ++i) {
    if (stack[i].isTensor()) see(stack[i].toTensor());
    if (stack[i].isTensorList() && !indexes)
      for (const at::Tensor& each : stack[i].toTensorVector()) see(each);
    if (stack[i].isOptionalTensorList())
      for (const auto& each : stack[i].toOptionalTensorVector())
        if (each && is_here(*each) && each->scalar_type() == at::kBool) tell("index by a mask");
  }
  TORCH_CHECK(!(here && elsewhere), "Expected all tensors to be on the same device, in ", schema.name());
}

bool only_reads(const c10::FunctionSchema& schema) {
  for (const auto& argument : schema.arguments())
    if (argument.alias_info() && argument.alias_info()->isWrite()) return false;
  for (const auto& result : schema.returns())
    if (result.alias_info()) return false;
  return true;
}

template <typename Move>
void move_tensors(c10::IValue& value, Move move) {
  if (value.isTensor()) {
    value = move(value.toTensor());
  } else if (value.isTensorList()) {
    c10::List<at::Tensor> moved;
    for (const at::Tensor& each : value.toTensorVector()) moved.push_back(move(each));
    value = moved;
  } else if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> moved;
    for (const auto& each : value.toOptionalTensorVector()) moved.push_back(each ? std::optional(move(*each)) : each);
    value = moved;
  } else if (value.isDevice()) {
    value = c10::Device(at::kCPU);
  }
}

void compute_on_cpu(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
  const auto& schema = operation.schema();
  const auto first = stack->size() - schema.arguments().size();
  if (WAITING.count(schema.name())) tell(schema.name());
  check_arguments(schema, *stack, first);
  const bool before = std::exchange(quiet, true);
  if (only_reads(schema)) {
    for (size_t i = first; i < stack->size(); ++i) move_tensors((*stack)[i], as_host);
    operation.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
    for (size_t i = stack->size() - schema.returns().size(); i < stack->size(); ++i) move_tensors((*stack)[i], as_device);
  } else {
    at::native::cpu_fallback(operation, stack, /*error_on_views=*/false);
  }
  quiet = before;
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", &empty);
  m.impl("empty_strided", &empty_strided);
  m.impl("_copy_from", &copy_from);
  m.impl("_copy_from_and_resize", &copy_from_and_resize);
  m.impl("_local_scalar_dense", &local_scalar_dense);
  m.impl("resize_", &resize);
  m.impl("set_.source_Storage", &set_whole_storage);
  m.impl("set_.source_Storage_storage_offset", &set_storage);
  m.impl("as_strided", &as_strided);
  m.impl("view", &view);
  m.impl("_reshape_alias", &reshape_alias);
  m.impl("convolution_overrideable", &convolution);
  m.impl("convolution_backward_overrideable", &convolution_backward);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&compute_on_cpu>()); }

}  // namespace

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("start", [] { at::RegisterPrivateUse1HooksInterface(new Hooks()); });
  m.def("listen", [](py::function to_call) { listener = to_call; });
  m.def("seed", [](uint64_t seed) { at::Generator(at::globalContext().defaultGenerator(DEVICE)).set_current_seed(seed); });
}
