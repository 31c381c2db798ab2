using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using ILGPU;
using ILGPU.Runtime;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Compiler;

/// <summary>Identifies the text or the machine code of a compiled kernel by everything that it depends on.</summary>
/// <param name="Text">The key as text.</param>
internal readonly record struct KernelKey(string Text)
{
    /// <summary>The key of a text: the kernel and its type arguments, the builds of their assemblies and of ILGPU, the
    /// target, the PTX version and the launch bounds.</summary>
    public static KernelKey Of(MethodInfo kernel, KernelTarget target, PtxVersion version, KernelSpecialization bounds)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{kernel.DeclaringType}::{kernel}");
        if (kernel.IsGenericMethod)
            text.Append('<').AppendJoin(", ", kernel.GetGenericArguments().AsEnumerable()).Append('>');
        text.Append(CultureInfo.InvariantCulture, $" {target} ptx {version}");
        text.Append(CultureInfo.InvariantCulture,
            $" bounds {bounds.MaxNumThreadsPerGroup} {bounds.MinNumGroupsPerMultiprocessor}");
        foreach (Guid build in Builds(kernel).Distinct().Order())
            text.Append(CultureInfo.InvariantCulture, $" {build}");
        return new KernelKey(text.ToString());
    }

    /// <summary>The key of a text that a kernel writes itself.</summary>
    public static KernelKey Of(Type kernel, KernelTarget target, KernelSpecialization bounds)
        => new(string.Create(CultureInfo.InvariantCulture, $"{kernel} {target} bounds " +
            $"{bounds.MaxNumThreadsPerGroup} {bounds.MinNumGroupsPerMultiprocessor}"));

    /// <summary>The key of machine code.</summary>
    /// <param name="ptx">The text that it was compiled from.</param>
    /// <param name="architecture">The exact architecture of the device.</param>
    /// <param name="driverVersion">The version of the driver that compiled it; null if an assembler did.</param>
    public static KernelKey OfMachineCode(string ptx, int architecture, string? driverVersion)
        => new(string.Create(CultureInfo.InvariantCulture, $"machine code for sm_{architecture} by " +
            $"{(driverVersion is null ? "an assembler" : $"driver {driverVersion}")} of the text " +
            $"{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(ptx)))}"));

    /// <summary>The name of the kernel in the cache folder.</summary>
    public string FileName => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Text)).AsSpan(0, 16));

    /// <summary>The version ids of the modules involved. A module's version id changes with its content.</summary>
    private static IEnumerable<Guid> Builds(MethodInfo kernel)
    {
        yield return typeof(KernelKey).Module.ModuleVersionId;
        yield return typeof(PatchGrid).Module.ModuleVersionId;
        yield return typeof(Context).Module.ModuleVersionId;
        yield return kernel.Module.ModuleVersionId;
        IEnumerable<Type> arguments = kernel.GetGenericArguments()
            .Concat(kernel.DeclaringType?.GetGenericArguments() ?? []);
        foreach (Type argument in arguments)
        {
            foreach (Guid build in Builds(argument))
                yield return build;
        }
    }

    private static IEnumerable<Guid> Builds(Type type) =>
        type.GetGenericArguments().SelectMany(Builds).Append(type.Module.ModuleVersionId);
}
