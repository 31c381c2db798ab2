using MsResampler.Kernels;

namespace MsResampler.Cli.Engines;

/// <summary>Opens the engine for the value of <c>--backend</c>. The engine does not check features unless asked: the
/// commands do that when they read them.</summary>
internal static class TokenEngine
{
    public static ITokenEngine Open(string path, CheckpointLayout? layout, EngineChoice choice, Terminal terminal,
        bool validateFeatures = false)
    {
        using ResamplerModel model = OpenModel(path, layout, terminal);
        return Open(model, choice, validateFeatures);
    }

    public static ITokenEngine Open(ResamplerModel model, EngineChoice choice, bool validateFeatures = false)
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

        bool isInteger = precision == Precision.Int8
            || (precision == Precision.Auto && IntegerTypes.AreIntegers(model.Weights));
        if (choice.Int8Layers is not null && !isInteger)
            throw new InputException("--int8-layers can only be used with --precision int8, or with a model of " +
                "integers; found --precision auto and a model of floats");
        if (isAsStored && isInteger)
            throw new InputException("--weight-storage as-stored: expected a model of floats, found a model of " +
                "integers; add --precision float32, or leave the option out");

        // Only the CPU has integer products and weights as they are stored.
        if (backend == BackendChoice.Auto)
        {
            bool needsCpu = precision == Precision.Int8 || choice.Int8Layers is not null || isAsStored;
            backend = device is not null || (!needsCpu && CudaBackend.IsAvailable(out _))
                ? BackendChoice.Cuda : BackendChoice.Cpu;
        }

        ModelLayers int8Layers = IntegerTypes.Int8LayersOf(choice.Int8Layers, model.Weights);
        ResamplerOptions options = new()
        {
            Backend = backend != BackendChoice.Cuda ? Backend.Cpu
                : device is null ? CudaBackend.Default : CudaBackend.ForDevice(device),
            Precision = precision,
            Int8Layers = int8Layers,
            WeightStorage = choice.WeightStorage,
            ThreadCount = choice.ThreadCount ?? 0,
            ValidateFeatures = validateFeatures,
        };
        try
        {
            Resampler resampler = Resampler.Load(model, options);
            return resampler.Precision == Precision.Int8
                ? new ResamplerEngine(resampler, Deviation.Int8BoundOf(model.Weights, int8Layers), int8Layers)
                : new ResamplerEngine(resampler, Deviation.BoundOf(backend, resampler.Precision));
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
        if (Path.GetExtension(path).Equals(".onnx", StringComparison.OrdinalIgnoreCase))
            throw new InputException($"{path}: --model expects a resampler, found a name that ends in .onnx; a " +
                "vision encoder is given with --encoder");
        terminal.Say($"loading {path}");
        ResamplerModel model = ResamplerModel.Open(path, layout);
        foreach (string warning in model.Warnings)
            terminal.Warn(warning);
        return model;
    }
}
