using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using System.Reflection;
using Microsoft.ML.OnnxRuntime;
using MsResampler.Cli.Commands;
using MsResampler.Gguf;
using MsResampler.Kernels;
using MsResampler.Kernels.Compiler;
using MsResampler.Safetensors;
using MsResampler.Training;
using MsResampler.Vision;

namespace MsResampler.Cli;

/// <summary>Parses the arguments, runs the command and converts every outcome to an exit code.</summary>
internal static class CommandLine
{
    private static readonly ParserConfiguration s_parser = new()
    {
        EnablePosixBundling = false,
        ResponseFileTokenReplacer = null,
    };

    /// <summary>Runs one command line and returns its exit code; never throws.</summary>
    public static int Run(string[] args, Terminal terminal, CancellationToken cancellationToken)
    {
        Option<bool> verbose = new("--verbose")
        {
            Description = "Show the stack trace of an error, and long lists of problems and warnings in full.",
            Recursive = true,
        };
        bool isVerbose = false;
        Interruption.Notice = PlainError.Interrupted;
        try
        {
            RootCommand root = CreateRoot(verbose, terminal, cancellationToken);
            ParseResult parsed = root.Parse(args, s_parser);
            isVerbose = parsed.GetResult(verbose) is { Implicit: false };
            bool isHelp = parsed.Action?.ClearsParseErrors ?? false;
            if (!isHelp && Mistyped.FindSwallowedOption(parsed) is { } swallowed)
                throw new InputException(DescribeUnknown(swallowed, parsed));
            if (!isHelp && parsed.Errors.Count > 0)
                throw new InputException(DescribeUsageError(parsed));
            CheckPaths(parsed);
            int exitCode = parsed.Invoke(new InvocationConfiguration
            {
                Output = terminal.Output,
                Error = terminal.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            });
            if (KernelCache.Default.Problem is { } problem)
                terminal.Warn(problem);
            terminal.WriteWarnings(isVerbose);
            return exitCode;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            terminal.WriteError(Interruption.Notice);
            return ExitCode.Interrupted;
        }
#pragma warning disable CA1031 // The last line of defence: every error is one line for the user.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            terminal.WriteError(exception is InvalidModelException invalid
                ? Problems.Describe(invalid, isVerbose) : Describe(exception));
            if (isVerbose)
                terminal.Error.WriteLine(exception);
            return ExitCode.BadInput;
        }
    }

    private static RootCommand CreateRoot(Option<bool> verbose, Terminal terminal,
        CancellationToken cancellationToken)
    {
        RootCommand root = new("Runs MS-Resampler models: they turn the patch features of an image or a video " +
            "into a few visual tokens. A model has one or several spatial scopes, from local to global, and a " +
            "gate that weights them. Resamplers of published models are read, too.");
        root.Options.Add(verbose);
        root.Directives.Clear();
        root.Subcommands.Add(InitCommand.Create(terminal, cancellationToken));
        root.Subcommands.Add(ConvertCommand.Create(terminal, cancellationToken));
        root.Subcommands.Add(InspectCommand.Create(terminal));
        root.Subcommands.Add(RunCommand.Create(terminal, cancellationToken));
        root.Subcommands.Add(TrainCommand.Create(terminal, cancellationToken));
        root.Subcommands.Add(VerifyCommand.Create(terminal, cancellationToken));
        root.Subcommands.Add(BenchCommand.Create(terminal, cancellationToken));
        root.Subcommands.Add(ExportOnnxCommand.Create(terminal, cancellationToken));
        root.Subcommands.Add(DevicesCommand.Create(terminal));
        root.Subcommands.Add(PtxCommand.Create(terminal, cancellationToken));
        root.Subcommands.Add(DemoCommand.Create(terminal, cancellationToken));
        foreach (Option option in root.Options)
        {
            if (option is HelpOption { Action: HelpAction help })
                option.Action = new ExampleHelpAction(help);
            else if (option is VersionOption)
                option.Action = new VersionAction();
        }

        return root;
    }

    private static string DescribeUsageError(ParseResult parsed)
    {
        string hint = HelpHint(parsed);
        if (parsed.CommandResult.Command is RootCommand { Subcommands: var subcommands })
        {
            string known = string.Join(", ", subcommands.Select(subcommand => subcommand.Name));
            return parsed.UnmatchedTokens.Count > 0
                ? $"there is no command or option '{parsed.UnmatchedTokens[0]}'" +
                $"{Mistyped.Suggest(parsed.UnmatchedTokens[0], parsed, s_parser)}; the commands are {known} ({hint})"
                : $"expected a command: {known} ({hint})";
        }

        return parsed.UnmatchedTokens.Count > 0
            ? DescribeUnknown(parsed.UnmatchedTokens[0], parsed)
            : $"{parsed.Errors[0].Message.TrimEnd('.')} ({hint})";
    }

    /// <summary>Checks the values of text options. Every one of them is a path.</summary>
    private static void CheckPaths(ParseResult parsed)
    {
        foreach (SymbolResult symbol in parsed.CommandResult.Children)
        {
            (string name, Type type) = symbol switch
            {
                OptionResult result => (result.Option.Name, result.Option.ValueType),
                ArgumentResult result => (result.Argument.Name, result.Argument.ValueType),
                _ => ("", typeof(void)),
            };
            if (type != typeof(string) && type != typeof(string[]))
                continue;
            foreach (Token token in symbol.Tokens)
            {
                if (token.Value.Length == 0 || token.Value.Contains('\0', StringComparison.Ordinal))
                    throw new InputException($"{name}: expected a path, found '{token.Value}'");
            }
        }
    }

    private static string DescribeUnknown(string word, ParseResult parsed)
        => $"{Name(parsed)} does not know '{word}'{Mistyped.Suggest(word, parsed, s_parser)} ({HelpHint(parsed)})";

    private static string HelpHint(ParseResult parsed) => $"see {Name(parsed)} --help";

    private static string Name(ParseResult parsed) => parsed.CommandResult.Command is RootCommand
        ? "msresampler"
        : $"msresampler {parsed.CommandResult.Command.Name}";

    private static string Describe(Exception exception) => exception switch
    {
        AggregateException { InnerException: { } inner } => Describe(inner),
        InputException or InvalidModelException or SafetensorsException or GgufException or DeviceException
            or ActivationOverflowException or InvalidFeaturesException or InvalidImageException
            or OnnxRuntimeException or TrainingException or UnauthorizedAccessException => exception.Message,
        InvalidEncoderException => EncoderChoice.WithOptionNames(exception.Message),
        FileNotFoundException { FileName: { } assembly } when assembly.Contains(", Version=",
            StringComparison.Ordinal) => PlainError.Describe(exception),
        IOException and not FileLoadException => exception.Message,
        OutOfMemoryException => PlainError.OutOfMemory,
        // From .NET's assemblies, and from Skia if its native library is missing.
        FileLoadException or TypeInitializationException or DllNotFoundException or BadImageFormatException
            or EntryPointNotFoundException or PlatformNotSupportedException => PlainError.Describe(exception),
        // From file operations that .NET does not support, such as seeking in a pipe.
        NotSupportedException => exception.Message,
        _ => $"unexpected {exception.GetType().Name}: {exception.Message} (--verbose shows where)",
    };

    private sealed class VersionAction : System.CommandLine.Invocation.SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            string version = typeof(CommandLine).Assembly
                .GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
            parseResult.InvocationConfiguration.Output.WriteLine($"msresampler {version.Split('+')[0]}");
            return ExitCode.Done;
        }
    }
}
