using MsResampler.Cli.Display;
using MsResampler.Kernels;
using MsResampler.Model;

namespace MsResampler.Cli.Engines;

/// <summary>Opens what <c>--backend</c> names. Features are checked where they are read.</summary>
internal static class TokenEngine
{
    public static ITokenEngine Open(string folder, BackendChoice backend, Precision precision,
        int? threadCount, Terminal terminal)
    {
        using ResamplerModel model = OpenModel(folder, terminal);
        return Open(model, backend, precision, threadCount);
    }

    public static ITokenEngine Open(ResamplerModel model, BackendChoice backend, Precision precision,
        int? threadCount)
    {
        if (backend == BackendChoice.Reference)
        {
            return precision == Precision.Auto ? new ReferenceEngine(model) : throw new InputException(
                $"--precision {PrecisionChoice.NameOf(precision)}: the reference computes in double precision");
        }

        if (backend == BackendChoice.Auto)
            backend = CudaBackend.IsAvailable(out _) ? BackendChoice.Cuda : BackendChoice.Cpu;
        ResamplerOptions options = new()
        {
            Backend = backend == BackendChoice.Cuda ? CudaBackend.Default : Backend.Cpu,
            Precision = precision,
            ThreadCount = threadCount ?? 0,
            ValidateFeatures = false,
        };
        try
        {
            Resampler resampler = Resampler.Load(model, options);
            return new ResamplerEngine(resampler, Deviation.BoundOf(backend, resampler.Precision));
        }
        catch (Exception exception) when (precision != Precision.Auto
            && exception is NotSupportedException or Float16OverflowException)
        {
            throw new InputException($"--precision {PrecisionChoice.NameOf(precision)}: {exception.Message}", exception);
        }
        catch (DeviceException exception)
        {
            throw new InputException($"--backend cuda: {exception.Message} (msresampler devices shows what there " +
                "is; --backend cpu needs no device)", exception);
        }
    }

    /// <summary>Opens a model folder and passes its warnings on.</summary>
    public static ResamplerModel OpenModel(string folder, Terminal terminal)
    {
        if (!Directory.Exists(folder) && !File.Exists(folder))
            throw new InputException($"{folder}: there is no such model folder; msresampler init makes one");
        terminal.Say($"loading {folder}");
        ResamplerModel model = ResamplerModel.Open(folder);
        foreach (string warning in model.Warnings)
            terminal.Warn(warning);
        return model;
    }
}
