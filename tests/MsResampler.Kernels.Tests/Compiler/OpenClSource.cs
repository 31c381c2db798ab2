using System.Reflection;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.OpenCL;
using ILGPU.Runtime.OpenCL;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Tests.Compiler;

/// <summary>Compiles kernels to OpenCL source text, without a device.</summary>
internal static class OpenClSource
{
    /// <summary>The source text of a kernel for an OpenCL 2.0 device with every capability that ILGPU knows. The
    /// device is an Intel one, because ILGPU generates shuffles only for known vendors.</summary>
    public static string Compile(MethodInfo kernel)
    {
        using Context context = Context.Create(builder =>
        {
            builder.Optimize(OptimizationLevel.O1).Verify().EnableAlgorithms();
            PtxInstructions.Register(builder);
        });
        var capabilities = new CLCapabilityContext(true, true, true, true, true);
        using var backend = new CLBackend(context, capabilities, CLDeviceVendor.Intel, CLCVersion.CL20);
        var compiled = (CLCompiledKernel)backend.Compile(EntryPointDescription.FromExplicitlyGroupedKernel(kernel),
            default);
        return compiled.Source;
    }
}
