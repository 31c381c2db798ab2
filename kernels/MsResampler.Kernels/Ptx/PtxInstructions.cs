using System.Reflection;
using ILGPU;
using ILGPU.Backends.OpenCL;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Intrinsics;

namespace MsResampler.Kernels.Ptx;

/// <summary>The methods that stand for PTX instructions.</summary>
internal static class PtxInstructions
{
    private static readonly Type[] s_types =
    [
        typeof(Loop), typeof(PtxMath), typeof(Pack), typeof(Mma), typeof(LoadMatrix), typeof(AsyncCopy),
        typeof(SharedMemoryAccess), typeof(GlobalMemoryAccess),
    ];

    /// <summary>Every method with a <see cref="PtxInstructionAttribute"/>.</summary>
    public static IEnumerable<MethodInfo> Methods => s_types
        .SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Static))
        .Where(method => method.IsDefined(typeof(PtxInstructionAttribute)));

    /// <summary>Registers code generators for the methods with a context.</summary>
    public static void Register(Context.Builder builder)
    {
        IntrinsicImplementationManager manager = builder.GetIntrinsicManager();
        foreach (MethodInfo method in Methods)
        {
            manager.RegisterMethod(method, new PTXIntrinsic(typeof(PtxGenerator), nameof(PtxGenerator.Generate),
                IntrinsicImplementationMode.GenerateCode));
            if (method.GetCustomAttribute<PtxInstructionAttribute>()!.OpenCl is not null)
            {
                manager.RegisterMethod(method, new CLIntrinsic(typeof(OpenClGenerator),
                    nameof(OpenClGenerator.Generate), IntrinsicImplementationMode.GenerateCode));
            }
        }
    }

    /// <summary>The exception for the managed body of an instruction that only a GPU can execute.</summary>
    public static NotSupportedException NeedsGpu(string what) =>
        new($"{what} runs only on a GPU or in the PTX emulator.");
}
