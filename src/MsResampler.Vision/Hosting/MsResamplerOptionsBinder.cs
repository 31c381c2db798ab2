using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;
using MsResampler.Model;

namespace MsResampler.Vision;

/// <summary>Reads options from a configuration. Two values are names of objects, which the general binder cannot
/// read.</summary>
/// <param name="configuration">The section of the options.</param>
[RequiresUnreferencedCode(Reflection)]
[RequiresDynamicCode(Reflection)]
internal sealed class MsResamplerOptionsBinder(IConfiguration configuration) : IConfigureOptions<MsResamplerOptions>
{
    /// <summary>Why a trimmed program sets options in code.</summary>
    public const string Reflection = "The options are read by reflection. Set them in code in a trimmed program.";

    private const string Resampler =
        $"{nameof(MsResamplerOptions.Tokenizer)}:{nameof(VisualTokenizerOptions.Resampler)}";

    private const string BackendKey = $"{Resampler}:{nameof(ResamplerOptions.Backend)}";
    private const string LayoutKey = $"{Resampler}:{nameof(ResamplerOptions.Layout)}";
    private const string Cpu = "cpu";

    public void Configure(MsResamplerOptions options)
    {
        try
        {
            WithoutNames().Bind(options, binder => binder.ErrorOnUnknownConfiguration = true);
        }
        catch (InvalidOperationException exception)
        {
            throw Invalid(exception.Message);
        }

        if (configuration[BackendKey] is { } backend)
        {
            if (!backend.Equals(Cpu, StringComparison.OrdinalIgnoreCase))
            {
                throw Invalid($"{PathOf(BackendKey)}: expected '{Cpu}', found '{backend}'; set other backends in code: "
                    + "options.Tokenizer.Resampler = new ResamplerOptions { Backend = CudaBackend.Default }");
            }

            options.Tokenizer.Resampler = options.Tokenizer.Resampler with { Backend = Backend.Cpu };
        }

        if (configuration[LayoutKey] is { } name)
        {
            CheckpointLayout layout = CheckpointLayout.All.FirstOrDefault(layout => layout.ToString() == name)
                ?? throw Invalid($"{PathOf(LayoutKey)}: expected one of {string.Join(", ", CheckpointLayout.All)}, " +
                    $"found '{name}'");
            options.Tokenizer.Resampler = options.Tokenizer.Resampler with { Layout = layout };
        }
    }

    /// <summary>The configuration without the keys that this class reads, under the same paths.</summary>
    private IConfiguration WithoutNames()
    {
        string[] names = [PathOf(BackendKey), PathOf(LayoutKey)];
        IConfigurationRoot root = new ConfigurationBuilder().AddInMemoryCollection(configuration.AsEnumerable()
            .Where(entry => !names.Contains(entry.Key, StringComparer.OrdinalIgnoreCase))).Build();
        return configuration is IConfigurationSection section ? root.GetSection(section.Path) : root;
    }

    private string PathOf(string key) => configuration is IConfigurationSection section
        ? $"{section.Path}:{key}" : key;

    private static OptionsValidationException Invalid(string message)
        => new(Options.DefaultName, typeof(MsResamplerOptions), [message]);
}
