using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;
using MsResampler.Model;

namespace MsResampler.Vision;

/// <summary>Reads options from a configuration. Some values are names of objects, which the general binder cannot
/// read.</summary>
/// <param name="configuration">The section of the options.</param>
[RequiresUnreferencedCode(Reflection)]
[RequiresDynamicCode(Reflection)]
internal sealed partial class MsResamplerOptionsBinder(IConfiguration configuration)
    : IConfigureOptions<MsResamplerOptions>
{
    /// <summary>Why a trimmed program sets options in code.</summary>
    public const string Reflection = "The options are read by reflection. Set them in code in a trimmed program.";

    private const string Resampler =
        $"{nameof(MsResamplerOptions.Tokenizer)}:{nameof(VisualTokenizerOptions.Resampler)}";

    private const string BackendKey = $"{Resampler}:{nameof(ResamplerOptions.Backend)}";
    private const string LayoutKey = $"{Resampler}:{nameof(ResamplerOptions.Layout)}";
    private const string PreprocessingKey = $"{nameof(MsResamplerOptions.Tokenizer)}:" +
        $"{nameof(VisualTokenizerOptions.Encoder)}:{nameof(VisionEncoderOptions.Preprocessing)}";

    private const string Cpu = "cpu";

    public void Configure(MsResamplerOptions options)
    {
        try
        {
            WithoutNames().Bind(options, binder => binder.ErrorOnUnknownConfiguration = true);
        }
        catch (InvalidOperationException exception)
        {
            throw Invalid(Describe(exception));
        }

        SetResampler(options);
        SetPreprocessing(options);
    }

    private void SetResampler(MsResamplerOptions options)
    {
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

    private void SetPreprocessing(MsResamplerOptions options)
    {
        IConfigurationSection section = configuration.GetSection(PreprocessingKey);
        if (!section.Exists())
            return;
        string expected = $"{section.Path}: expected {ImagePreprocessing.PresetNames}, or the path of a " +
            $"{PreprocessorConfig.FileName}";
        if (section.Value is not { } name)
            throw Invalid($"{expected}, found keys; set other values in code");
        try
        {
            options.Tokenizer.Encoder.Preprocessing = ImagePreprocessing.Preset(name)
                ?? (Path.Exists(name) ? ImagePreprocessing.Load(name) : throw Invalid($"{expected}, found '{name}'"));
        }
        catch (Exception exception) when (exception is IOException or InvalidModelException)
        {
            throw Invalid($"{section.Path}: {exception.Message}");
        }
    }

    /// <summary>The message of the general binder, with the place of the section instead of names of types.</summary>
    private string Describe(InvalidOperationException exception)
    {
        string message = UnknownKeys().Match(exception.Message) is { Success: true } unknown
            ? $"expected properties of {unknown.Groups["type"].Value.Split('.')[^1]}, found the keys " +
                unknown.Groups["keys"].Value
            : exception.Message;
        return configuration is IConfigurationSection section ? $"{section.Path}: {message}" : message;
    }

    [GeneratedRegex("instance of (?<type>[^:]+): (?<keys>.+)$", RegexOptions.Singleline)]
    private static partial Regex UnknownKeys();

    /// <summary>The configuration without the keys that this class reads, under the same paths.</summary>
    private IConfiguration WithoutNames()
    {
        string[] names = [PathOf(BackendKey), PathOf(LayoutKey), PathOf(PreprocessingKey)];
        IConfigurationRoot root = new ConfigurationBuilder().AddInMemoryCollection(configuration.AsEnumerable()
            .Where(entry => !names.Any(name => entry.Key.Equals(name, StringComparison.OrdinalIgnoreCase)
                || entry.Key.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase)))).Build();
        return configuration is IConfigurationSection section ? root.GetSection(section.Path) : root;
    }

    private string PathOf(string key) => configuration is IConfigurationSection section
        ? $"{section.Path}:{key}" : key;

    private static OptionsValidationException Invalid(string message)
        => new(Options.DefaultName, typeof(MsResamplerOptions), [message]);
}
