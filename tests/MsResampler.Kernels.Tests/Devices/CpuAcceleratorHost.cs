using System.Linq.Expressions;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Tests.Devices;

/// <summary>ILGPU's CPU accelerator with warps of 32 threads. Every thread of a block is a thread of the operating
/// system.</summary>
internal sealed class CpuAcceleratorHost : KernelHost
{
    public override bool HasSlowBarriers => true;

    public override void Run(KernelVariant variant, LaunchSize size, params object[] arguments)
    {
        using var context = Context.Create(builder =>
        {
            builder.EnableAlgorithms();
            PtxInstructions.Register(builder);
            builder.CPU(new CPUDevice(numThreadsPerWarp: 32, numWarpsPerMultiprocessor: 2, numMultiprocessors: 1));
        });
        using Accelerator accelerator = context.CreateCPUAccelerator(0);
        Kernel kernel = accelerator.LoadKernel(variant.Entry);
        var buffers = new List<(Output Output, MemoryBuffer1D<float, Stride1D.Dense> Buffer)>();
        var kept = new List<MemoryBuffer>();
        Type[] types = [.. variant.Entry.GetParameters().Select(parameter => parameter.ParameterType)];
        object[] values = [accelerator.DefaultStream, (KernelConfig)(new Index2D(size.GridX, size.GridY),
            new Index2D(size.BlockSize, 1)),
            .. arguments.Select((argument, index) => Argument(argument, types[index]))];
        Type launcher = Expression.GetDelegateType([typeof(AcceleratorStream), typeof(KernelConfig), .. types,
            typeof(void)]);
        Launch(kernel, launcher, values);
        accelerator.Synchronize();
        foreach ((Output output, MemoryBuffer1D<float, Stride1D.Dense> buffer) in buffers)
            buffer.CopyToCPU(output.Values);
        foreach (MemoryBuffer buffer in kept)
            buffer.Dispose();

        object Argument(object argument, Type type)
        {
            if (argument is Output output)
            {
                MemoryBuffer1D<float, Stride1D.Dense> buffer = Allocate(output.Values);
                buffers.Add((output, buffer));
                return View(buffer.View, type);
            }

            return argument switch
            {
                float[] floats => View(Allocate(floats).View, type),
                int[] integers => Allocate(integers).View.BaseView,
                TiledBlock[] blocks => Allocate(blocks).View.BaseView,
                _ => argument,
            };
        }

        MemoryBuffer1D<T, Stride1D.Dense> Allocate<T>(T[] content)
            where T : unmanaged
        {
            MemoryBuffer1D<T, Stride1D.Dense> buffer = accelerator.Allocate1D(content);
            kept.Add(buffer);
            return buffer;
        }
    }

    public override string ToString() => "ILGPU's CPU accelerator";

    private static void Launch(Kernel kernel, Type launcher, object[] values)
    {
        var method = typeof(Kernel).GetMethods().Single(method => method.Name == "CreateLauncherDelegate");
        var start = (Delegate)method.MakeGenericMethod(launcher).Invoke(kernel, null)!;
        start.DynamicInvoke(values);
    }

    private static object View(ArrayView1D<float, Stride1D.Dense> view, Type type)
        => type == typeof(ArrayView<Float4>) ? view.BaseView.Cast<Float4>() : view.BaseView;
}
