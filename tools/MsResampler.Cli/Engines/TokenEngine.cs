using MsResampler.Cli.Display;
using MsResampler.Model;

namespace MsResampler.Cli.Engines;

/// <summary>Opens what <c>--backend</c> names. Features are checked where they are read.</summary>
internal static class TokenEngine
{
    public static ITokenEngine Open(string folder, BackendChoice backend, int? threadCount, Terminal terminal)
    {
        using ResamplerModel model = OpenModel(folder, terminal);
        return Open(model, backend, threadCount);
    }

    public static ITokenEngine Open(ResamplerModel model, BackendChoice backend, int? threadCount)
        => backend == BackendChoice.Reference
            ? new ReferenceEngine(model)
            : new ResamplerEngine(Resampler.Load(model, new ResamplerOptions
            {
                ThreadCount = threadCount ?? 0,
                ValidateFeatures = false,
            }));

    /// <summary>Opens a model folder and passes its warnings on.</summary>
    public static ResamplerModel OpenModel(string folder, Terminal terminal)
    {
        if (!Directory.Exists(folder))
            throw new InputException($"{folder}: there is no such model folder; msresampler init makes one");
        ResamplerModel model = ResamplerModel.Open(folder);
        foreach (string warning in model.Warnings)
            terminal.Warn(warning);
        return model;
    }
}
