using MsResampler.Kernels;

namespace MsResampler.Perf.Gpu;

/// <summary>Measures models on a device, launch by launch, and compares them with limits of the device that were
/// measured in the same run.</summary>
internal sealed class DeviceBench
{
    private readonly Func<IDevice> _open;
    private readonly KernelCompiler _compiler;
    private readonly BenchEffort _effort;

    /// <param name="open">Opens the device; called once for each model.</param>
    /// <param name="compiler">Compiles the kernels.</param>
    /// <param name="effort">Durations and sizes.</param>
    /// <exception cref="NotSupportedException">The device has no timer.</exception>
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

    /// <summary>Measures a model on images of the same grid.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">The options of the engine; the backend is ignored.</param>
    /// <param name="features">Features of all images.</param>
    /// <param name="grids">The grid of each image; all are equal.</param>
    /// <param name="tokens">Receives the tokens.</param>
    /// <param name="check">Checks the tokens before the measurements. Its exceptions are passed on.</param>
    /// <param name="variant">How to compute the forward pass; null for the engine's choice.</param>
    public ModelFigures Measure(ResamplerModel model, ResamplerOptions options, float[] features, PatchGrid[] grids,
        float[] tokens, Action check, EngineVariant? variant = null)
    {
        using IDisposable? setting = variant?.Apply();
        TimedDevice device = new(_open(), variant, _compiler);
        using GpuEngine engine = new(device, _compiler, model, options);
        engine.Resample(features, grids, tokens, CancellationToken.None);
        check();
        Precision precision = engine.Precision;
        IReadOnlyList<ForwardStep> steps = ForwardSteps.Describe(model.Config,
            model.Weights.KeyValueInput is not null, grids[0], grids.Length, precision, device.Properties);
        using DeviceScratch scratch = new(device, _compiler, _effort);
        using (IDeviceStream stream = device.CreateStream())
        {
            scratch.Fill(stream);
            stream.Synchronize();
        }

        ForwardTimes times = ForwardTimes.Measure(device, scratch,
            () => engine.Resample(features, grids, tokens, CancellationToken.None), _effort.Duration);
        return new ModelFigures(Precisions.NameOf(precision), grids.Length, times.Call, times.Warm, times.Cold,
            LaunchFigures.Of(times.Launches, [.. steps.Select(step => (step.Name, step.CountWork()))], Ceilings,
                precision));
    }
}
