using System.Diagnostics;
using System.Globalization;
using k8s.Models;
using MsResampler.Cli;
using SkiaSharp;

namespace MsResampler.Server.Tests.Deploy;

/// <summary>The script of <c>job.yaml</c>, run by a shell as the pods of the job run it, with two parts and small
/// models.</summary>
public sealed class JobTests
{
    private const int PartCount = 2;
    private const int WrongInput = 2;
    private const int Terminated = 143;
    private const string EncoderJson = """
        {
          "model_type": "ms_resampler", "vision_hidden_size": 3, "hidden_size": 8, "num_attention_heads": 2,
          "query_grid": [4, 4], "output_size": 12, "scopes": [{ "name": "all", "prior": "none" }],
          "share_queries": true, "share_kv": true,
          "position_embedding": { "keys": "sincos2d", "queries": "sincos2d" },
          "layer_norm_eps": 1e-6, "torch_dtype": "float32"
        }
        """;

    private const string PreprocessorJson = """
        {
          "image_processor_type": "SiglipImageProcessor", "do_resize": true, "size": { "height": 8, "width": 8 },
          "do_rescale": true, "rescale_factor": 0.00392156862745098, "do_normalize": true,
          "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]
        }
        """;

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);

    [Test]
    public void Parts_compute_every_photo_once_and_a_bad_photo_does_not_fail_its_part()
    {
        using TemporaryFolder folder = Prepare();
        string[] photos = [.. Enumerable.Range(0, 8).Select(index => $"{index}.png")];
        foreach (string photo in photos)
            File.WriteAllBytes(Path.Combine(folder.Path, "data", "photos", photo), Picture(photo));
        File.WriteAllText(Path.Combine(folder.Path, "data", "photos", "bad.png"), "not a picture");
        for (int round = 0; round < 2; round++)
            for (int part = 0; part < PartCount; part++)
                Assert.That(Run(folder.Path, part).Code, Is.Zero);
        string[] sidecars = Directory.GetFiles(Path.Combine(folder.Path, "data", "tokens"), "tokens-*.jsonl");
        string[] lines = [.. sidecars.SelectMany(File.ReadAllLines)];
        Assert.That(sidecars, Has.Length.EqualTo(PartCount));
        Assert.That(lines.Where(line => line.Contains("\"status\":\"ok\"", StringComparison.Ordinal))
            .Select(line => line.Split('"')[3]), Is.EquivalentTo(photos));
        Assert.That(lines, Has.Length.EqualTo(photos.Length + 1).And.One.Contains("\"file\":\"bad.png\""));
    }

    [Test]
    public void A_model_that_is_not_there_fails_the_part_without_another_try()
    {
        using TemporaryFolder folder = Prepare();
        File.WriteAllBytes(Path.Combine(folder.Path, "data", "photos", "a.png"), Picture("a"));
        Directory.Delete(Path.Combine(folder.Path, "models", "resampler"), recursive: true);
        (int code, string error) = Run(folder.Path, 0);
        Assert.That(code, Is.EqualTo(WrongInput));
        Assert.That(error, Does.Contain("models/resampler"));
        V1PodFailurePolicyRule rule = Manifests.Single<V1Job>().Spec.PodFailurePolicy.Rules
            .Single(item => item.OnExitCodes is not null);
        Assert.That((rule.Action, rule.OnExitCodes.OperatorProperty, rule.OnExitCodes.Values.Single()),
            Is.EqualTo(("FailIndex", "In", WrongInput)));
        Assert.That(rule.OnExitCodes.ContainerName,
            Is.EqualTo(Manifests.Single<V1Job>().Spec.Template.Spec.Containers.Single().Name));
    }

    [Test]
    public void SIGTERM_reaches_the_command()
    {
        Skip.If(OperatingSystem.IsWindows(), "The script is for a Unix shell.");
        using TemporaryFolder folder = new();
        Directory.CreateDirectory(Path.Combine(folder.Path, "bin"));
        WriteCommand(folder.Path, "touch \"$0.started\"; exec sleep 50");
        using Process process = Start(folder.Path, 0);
        Assert.That(() => File.Exists(Path.Combine(folder.Path, "bin", "msresampler.started")),
            Is.True.After((int)s_limit.TotalMilliseconds, 20));
        using (Process kill = Process.Start("kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)]))
            kill.WaitForExit();
        Assert.That(process.WaitForExit(TimeSpan.FromSeconds(20)), Is.True);
        Assert.That(process.ExitCode, Is.EqualTo(Terminated));
    }

    [Test]
    public void Parts_are_those_of_the_job()
    {
        V1JobSpec job = Manifests.Single<V1Job>().Spec;
        Assert.That(job.Template.Spec.Containers.Single().Command[2],
            Does.Contain($"--shard $JOB_COMPLETION_INDEX/{job.Completions} "));
        Assert.That((job.CompletionMode, job.Template.Spec.RestartPolicy), Is.EqualTo(("Indexed", "Never")));
    }

    /// <summary>A folder with the models, an empty folder of photos and the command on its path.</summary>
    private static TemporaryFolder Prepare()
    {
        Skip.If(OperatingSystem.IsWindows(), "The script is for a Unix shell.");
        TemporaryFolder folder = new();
        string models = Path.Combine(folder.Path, "models");
        Directory.CreateDirectory(Path.Combine(folder.Path, "data", "photos"));
        Directory.CreateDirectory(Path.Combine(models, "vit"));
        Directory.CreateDirectory(Path.Combine(folder.Path, "bin"));
        string encoder = folder.File("encoder.json");
        string config = folder.File("config.json");
        File.WriteAllText(encoder, EncoderJson);
        File.WriteAllText(config, ConfigJson.Of(Configs.Of(Configs.None)));
        File.WriteAllText(Path.Combine(models, "vit", "preprocessor_config.json"), PreprocessorJson);
        foreach (string[] args in new string[][]
        {
            ["init", "--config", encoder, "--out", folder.File("encoder")],
            ["export-onnx", "--model", folder.File("encoder"), "--grid", "8x8", "--out",
                Path.Combine(models, "vit", "model.onnx")],
            ["init", "--config", config, "--out", Path.Combine(models, "resampler")],
        })
        {
            CliRun run = CliRun.Of(args);
            Assert.That(run.ExitCode, Is.Zero, run.Error);
        }

        WriteCommand(folder.Path, $"exec dotnet \"{typeof(CommandLine).Assembly.Location}\" \"$@\"");
        return folder;
    }

    private static void WriteCommand(string folder, string line)
    {
        string path = Path.Combine(folder, "bin", "msresampler");
        File.WriteAllText(path, $"#!/bin/sh\n{line}\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.UserWrite);
    }

    private static (int Code, string Error) Run(string folder, int part)
    {
        using Process process = Start(folder, part);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        output.Wait();
        TestContext.Out.WriteLine(output.Result + error);
        return (process.ExitCode, error);
    }

    private static Process Start(string folder, int part)
    {
        V1Job job = Manifests.Single<V1Job>();
        IList<string> command = job.Spec.Template.Spec.Containers.Single().Command;
        string script = command[2].Replace("/models/", $"{folder}/models/", StringComparison.Ordinal)
            .Replace("/data/", $"{folder}/data/", StringComparison.Ordinal)
            .Replace($"/{job.Spec.Completions} ", $"/{PartCount} ", StringComparison.Ordinal);
        ProcessStartInfo start = new(command[0], [command[1], script])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PATH"] = $"{folder}/bin:{Environment.GetEnvironmentVariable("PATH")}";
        start.Environment["JOB_COMPLETION_INDEX"] = part.ToString(CultureInfo.InvariantCulture);
        return Process.Start(start)!;
    }

    /// <summary>A small picture whose colours depend on a name.</summary>
    private static byte[] Picture(string name)
    {
        using SKBitmap bitmap = new(12, 10);
        bitmap.Erase(new SKColor((byte)name[0], 90, 200));
        bitmap.SetPixel(3, 4, SKColors.White);
        using SKData data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }
}
