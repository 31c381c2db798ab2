using System.Runtime.InteropServices;
using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Gate;
using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Norm;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Devices;

/// <summary>The PTX emulator.</summary>
internal sealed class EmulatorHost : KernelHost
{
    /// <summary>The compiler of all tests; it compiles each kernel once.</summary>
    public static KernelCompiler Compiler { get; } = new();

    public override bool HasSlowBarriers => false;

    /// <summary>The counters of the last run.</summary>
    public LaunchReport? Report { get; private set; }

    public override void Run(KernelVariant variant, LaunchSize size, params object[] arguments)
    {
        using EmulatorDevice device = new(seed: 1, memoryBytes: 1 << 28);
        using IDeviceStream stream = device.CreateStream();
        IDeviceKernel kernel = device.Load(variant.Compile(Compiler, device.Properties.Target));
        KernelArguments bytes = new(stackalloc byte[KernelArguments.MaxBytes], kernel.Kernel);
        List<(Output Output, IDeviceMemory Memory)> outputs = [];
        foreach ((object argument, Type type) in arguments.Zip(variant.Entry.GetParameters()
            .Select(parameter => parameter.ParameterType)))
        {
            switch (argument)
            {
                case Output output:
                    IDeviceMemory memory = device.Allocate(Math.Max(output.Values.Length, 1) * sizeof(float));
                    outputs.Add((output, memory));
                    bytes.Add(DeviceView.Of(memory));
                    break;
                case float[] values:
                    bytes.Add(Upload<float>(values));
                    break;
                case int[] values:
                    bytes.Add(Upload<int>(values));
                    break;
                case TiledBlock[] values:
                    bytes.Add(Upload<TiledBlock>(values));
                    break;
                case int value:
                    bytes.Add(value);
                    break;
                case GemmLayout layout:
                    bytes.Add(layout);
                    break;
                case AttentionShape shape:
                    bytes.Add(shape);
                    break;
                case NormShape shape:
                    bytes.Add(shape);
                    break;
                case FusionGateShape shape:
                    bytes.Add(shape);
                    break;
                default:
                    bytes.Add((float)argument);
                    break;
            }
        }

        stream.Launch(kernel, size, bytes.Bytes);
        Report = device.Reports[^1].Report;
        foreach ((Output output, IDeviceMemory memory) in outputs)
            if (output.Values.Length > 0)
                stream.Download(memory, MemoryMarshal.AsBytes(output.Values.AsSpan()));

        DeviceView Upload<T>(T[] values)
            where T : unmanaged
        {
            ReadOnlySpan<byte> content = MemoryMarshal.AsBytes<T>(values);
            IDeviceMemory memory = device.Allocate(Math.Max(content.Length, 16));
            stream.Upload(content, memory);
            return DeviceView.Of(memory);
        }
    }

    public override string ToString() => "PTX emulator";
}
