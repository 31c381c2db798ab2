using MsResampler.Kernels.Tests.Ptx;

namespace MsResampler.Kernels.Tests.Compiler;

public sealed class OpenClTests
{
    [TestCase(nameof(InstructionKernels.Rolled), "(int) (")]
    [TestCase(nameof(InstructionKernels.Exp2), "native_exp2 (")]
    [TestCase(nameof(InstructionKernels.Log2), "native_log2 (")]
    [TestCase(nameof(InstructionKernels.Reciprocal), "native_recip (")]
    [TestCase(nameof(InstructionKernels.ReciprocalSqrt), "native_rsqrt (")]
    [TestCase(nameof(InstructionKernels.Fma), "fma (")]
    [TestCase(nameof(InstructionKernels.Shuffles), "sub_group_shuffle_xor (")]
    public void Kernels_compile_to_OpenCL_without_a_device(string kernel, string call) =>
        Assert.That(OpenClSource.Compile(InstructionKernels.Method(kernel)),
            Does.Contain("kernel void").And.Contain(call));

    [Test]
    public void Instructions_without_an_OpenCL_version_are_rejected() =>
        Assert.That(() => OpenClSource.Compile(InstructionKernels.Method(nameof(InstructionKernels.MmaF16))),
            Throws.Exception);
}
