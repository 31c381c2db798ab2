using MsResampler.Kernels;

namespace MsResampler.Cli.Engines;

/// <summary>Opens the engine for the value of <c>--backend</c>. The engine does not check features: the commands do
/// that when they read them.</summary>
internal static class TokenEngine
{
    public static ITokenEngine Open(string path, CheckpointLayout? layout, EngineChoice choice, Terminal terminal)
    {
        using ResamplerModel model = OpenModel(path, layout, terminal);
        return Open(model, choice);
    }

    public static ITokenEngine Open(ResamplerModel model, EngineChoice choice)
    {
        (BackendChoice backend, string? device, Precision precision)
            = (choice.Backend, choice.Device, choice.Precision);
        if (device is not null && (backend == BackendChoice.Cpu || backend == BackendChoice.Reference))
            throw new InputException($"--device {device}: --backend {backend} uses no GPU; leave one of them out");
        bool isAsStored = choice.WeightStorage == WeightStorage.AsStored;
        if (backend == BackendChoice.Reference)
        {
            return precision == Precision.Auto ? new ReferenceEngine(model) : throw new InputException(
                $"--precision {PrecisionChoice.NameOf(precision)}: the reference computes in double precision");
        }

        // Only the CPU has integer products and weights as they are stored.
        if (backend == BackendChoice.Auto)
            backend = device is not null
                || (precision != Precision.Int8 && !isAsStored && CudaBackend.IsAvailable(out _))
                ? BackendChoice.Cuda : BackendChoice.Cpu;

        ResamplerOptions options = new()
        {
            Backend = backend != BackendChoice.Cuda ? Backend.Cpu
                : device is null ? CudaBackend.Default : CudaBackend.ForDevice(device),
            Precision = precision,
            Int8Layers = choice.Int8Layers,
            WeightStorage = choice.WeightStorage,
            ThreadCount = choice.ThreadCount ?? 0,
            ValidateFeatures = false,
        };
        try
        {
            Resampler resampler = Resampler.Load(model, options);
            return new ResamplerEngine(resampler, resampler.Precision == Precision.Int8
                ? Deviation.Int8BoundOf(model.Weights, choice.Int8Layers)
                : Deviation.BoundOf(backend, resampler.Precision));
        }
        catch (NotSupportedException exception) when (isAsStored)
        {
            throw new InputException($"--weight-storage as-stored: {exception.Message}", exception);
        }
        catch (Exception exception) when (precision != Precision.Auto
            && exception is NotSupportedException or Float16OverflowException)
        {
            throw new InputException($"--precision {PrecisionChoice.NameOf(precision)}: {exception.Message}",
                exception);
        }
        catch (DeviceException exception)
        {
            string option = device is null ? "--backend cuda" : "--device";
            throw new InputException($"{option}: {exception.Message} (msresampler devices lists the GPUs; " +
                "--backend cpu needs none)", exception);
        }
    }

    /// <summary>Opens a model and adds its warnings to the terminal.</summary>
    public static ResamplerModel OpenModel(string path, CheckpointLayout? layout, Terminal terminal)
    {
        if (!Directory.Exists(path) && !File.Exists(path))
            throw new InputException($"{path}: this model folder does not exist; msresampler init makes one");
        terminal.Say($"loading {path}");
        ResamplerModel model = ResamplerModel.Open(path, layout);
        foreach (string warning in model.Warnings)
            terminal.Warn(warning);
        return model;
    }
}
