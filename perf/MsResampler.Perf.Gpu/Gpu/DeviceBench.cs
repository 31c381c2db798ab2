using MsResampler.Kernels;
using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Device;
using MsResampler.Kernels.Forward;
using MsResampler.Model;
using MsResampler.Perf.Ceilings;
using MsResampler.Perf.Roofline;
using MsResampler.Perf.Timing;

namespace MsResampler.Perf.Gpu;

/// <summary>Measures models on a device, launch by launch, against what the device was seen to do at most in the same
/// run.</summary>
internal sealed class DeviceBench : IDisposable
{
    private readonly Func<IDevice> _open;
    private readonly KernelCompiler _compiler;
    private readonly BenchEffort _effort;

    /// <param name="open">Opens the device; it is called for each model anew.</param>
    /// <param name="compiler">Compiles the kernels; disposed with this.</param>
    /// <param name="effort">How much to do.</param>
    /// <exception cref="NotSupportedException">The device keeps no time.</exception>
    /// <exception cref="DeviceException">The device cannot be opened, or failed.</exception>
    public DeviceBench(Func<IDevice> open, KernelCompiler compiler, BenchEffort effort)
    {
        _open = open;
        _compiler = compiler;
        _effort = effort;
        using IDevice device = open();
        using IDeviceStream stream = device.CreateStream();
        using DeviceScratch scratch = new(device, compiler, effort);
        scratch.Fill(stream);
        Device = device.Properties;
        Ceilings = new CeilingMeasurement(stream, scratch, effort.Duration).Measure();
    }

    public DeviceProperties Device { get; }

    public DeviceCeilings Ceilings { get; }

    /// <summary>Measures a model on images of one grid.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">How to run it; its backend is not looked at.</param>
    /// <param name="features">Features of all images.</param>
    /// <param name="grids">Their grids, which are equal.</param>
    /// <param name="tokens">Receives tokens.</param>
    /// <param name="check">Looks at the tokens before anything is timed; what it throws is passed on.</param>
    public ModelFigures Measure(ResamplerModel model, ResamplerOptions options, float[] features, PatchGrid[] grids,
        float[] tokens, Action check)
    {
        TimedDevice device = new(_open());
        using GpuEngine engine = new(device, _compiler, model, options);
        engine.Resample(features, grids, tokens, CancellationToken.None);
        check();
        bool hasInput = model.Weights.KeyValueInput is not null;
        Precision precision = engine.Precision;
        IReadOnlyList<LaunchWork> works = precision is Precision.Float16 or Precision.BFloat16
            ? ForwardWork.Half(model.Config, hasInput, engine.Plan(grids[0]), grids.Length)
            : ForwardWork.Single(model.Config, hasInput, engine.Plan(grids[0]), grids.Length);
        using DeviceScratch scratch = new(device, _compiler, _effort);
        using (IDeviceStream stream = device.CreateStream())
        {
            scratch.Fill(stream);
            stream.Synchronize();
        }

        ForwardTimes times = ForwardTimes.Measure(device, scratch,
            () => engine.Resample(features, grids, tokens, CancellationToken.None), _effort.Duration);
        return new ModelFigures(Precisions.NameOf(precision), grids.Length, times.Call, times.Warm, times.Cold,
            LaunchFigures.Of(times.Launches, works, Ceilings, precision));
    }

    public void Dispose() => _compiler.Dispose();
}
