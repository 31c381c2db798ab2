using System.Text.Json;
using System.Text.RegularExpressions;
using k8s.Models;
using MsResampler.Server.Hosting;

namespace MsResampler.Server.Tests.Deploy;

/// <summary>The structure of the Containerfile. Whether the images can be built and run is not tested here.</summary>
public sealed partial class ContainerfileTests
{
    private static (ContainerImage[] Stages, Dictionary<string, string> Arguments) Containerfile
        => ContainerImage.Read(DeployFile.ReadOrSkip("Containerfile"));

    private static ContainerImage Stage(string name) => Containerfile.Stages.Single(stage => stage.Name == name);

    [Test]
    public void A_build_without_a_target_makes_the_server()
    {
        (ContainerImage[] stages, Dictionary<string, string> arguments) = Containerfile;
        Assert.That(stages.Select(stage => stage.Name),
            Is.EqualTo(new[] { "source", "build-server", "build-command", "command", "server" }));
        Assert.That(stages.Select(stage => stage.Base), Is.EqualTo(new[]
        {
            "${SDK_IMAGE}", "source", "source", "${COMMAND_IMAGE}", "${SERVER_IMAGE}",
        }));
        Assert.That(arguments.Keys, Is.EquivalentTo(new[] { "SDK_IMAGE", "SERVER_IMAGE", "COMMAND_IMAGE" }));
    }

    [Test]
    public void Images_have_the_version_of_NET_that_the_projects_target()
    {
        string framework = TargetFramework().Match(File.ReadAllText(Path.Combine(DeployFile.RootOrSkip(),
            "Directory.Build.props"))).Groups["version"].Value;
        Assert.That(Containerfile.Arguments.Values, Has.All.Match($@":{Regex.Escape(framework)}(-|$)"));
    }

    [TestCase("command")]
    [TestCase("server")]
    public void An_image_has_only_the_program_and_is_not_root(string name)
    {
        ContainerImage stage = Stage(name);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(stage.Of("USER"), Is.EqualTo(new[] { $"{ContainerImage.User}:{ContainerImage.User}" }));
            Assert.That(stage.Of("COPY"), Is.EqualTo(new[] { $"--from=build-{name} /out/ /app/" }));
            Assert.That(stage.Of("RUN"), Is.Empty, "the base image of the server has no shell");
            Assert.That(stage.Of("ADD"), Is.Empty);
        }
    }

    [Test]
    public void What_is_copied_exists_and_is_not_ignored()
    {
        string root = DeployFile.RootOrSkip();
        string[] copied = [.. Stage("source").Of("COPY")
            .SelectMany(line => line.Split(' ')[..^1]).Select(path => path.TrimEnd('/'))];
        Assert.That(copied.Where(path => !Path.Exists(Path.Combine(root, path))), Is.Empty);
        string[] ignored = DeployFile.ReadOrSkip("Containerfile.dockerignore").Split('\n',
            StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        string[] rules = [.. ignored.Where(line => line[0] != '#')];
        Assert.That(rules[0], Is.EqualTo("*"));
        Assert.That(rules.Where(line => line[0] == '!').Select(line => line[1..]), Is.EquivalentTo(copied));
        Assert.That(rules[^2..], Is.EqualTo(new[] { "**/bin", "**/obj" }));
    }

    /// <summary>Projects and their references, and what the build imports, are in the folders that are
    /// copied.</summary>
    [TestCase("build-server", "tools/MsResampler.Server")]
    [TestCase("build-command", "tools/MsResampler.Cli")]
    public void The_project_that_is_published_needs_only_what_is_copied(string stage, string project)
    {
        string root = DeployFile.RootOrSkip();
        Assert.That(Stage(stage).Of("RUN").Single(), Does.StartWith($"dotnet publish {project} ")
            .And.Contains("--no-self-contained").And.EndsWith("-o /out"));
        string[] folders = [.. Stage("source").Of("COPY").Skip(1).Select(line => line.Split(' ')[0])];
        HashSet<string> found = [];
        Queue<string> open = new([Directory.GetFiles(Path.Combine(root, project), "*.csproj").Single()]);
        while (open.TryDequeue(out string? path))
        {
            if (!found.Add(path))
                continue;
            foreach (Match reference in ProjectReference().Matches(File.ReadAllText(path)))
            {
                open.Enqueue(Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!,
                    reference.Groups["path"].Value)));
            }
        }

        Assert.That(found, Has.Count.GreaterThan(3));
        Assert.That(found.Select(path => Path.GetRelativePath(root, path).Replace('\\', '/')),
            Has.All.Matches<string>(path => folders.Any(folder
                => path!.StartsWith(folder, StringComparison.Ordinal))));
    }

    [Test]
    public void The_health_check_and_the_ports_are_those_of_the_server()
    {
        ServerSettings defaults = new();
        ContainerImage server = Stage("server");
        Assert.That(server.Of("EXPOSE").Single(), Is.EqualTo($"{defaults.Http} {defaults.Grpc}"));
        string check = server.Of("HEALTHCHECK").Single();
        string[] command = JsonSerializer.Deserialize<string[]>(check[(check.IndexOf(" CMD ",
            StringComparison.Ordinal) + 5)..])!;
        string[] start = JsonSerializer.Deserialize<string[]>(server.Of("ENTRYPOINT").Single())!;
        Assert.That(command, Is.EqualTo(new[]
        {
            start.Single(), "--check-health", $"http://127.0.0.1:{defaults.Http}/v2/health/live",
        }));
    }

    [Test]
    public void Manifests_use_the_images_that_the_comments_build()
    {
        string text = DeployFile.ReadOrSkip("Containerfile");
        foreach (V1Container container in Manifests.Pods.Select(pod => pod.Template.Spec.Containers.Single()))
            Assert.That(text, Does.Contain($"-t {container.Image} ."));
    }

    [GeneratedRegex("<TargetFramework>net(?<version>[0-9.]+)</TargetFramework>")]
    private static partial Regex TargetFramework();

    [GeneratedRegex("<ProjectReference Include=\"(?<path>[^\"]+)\"")]
    private static partial Regex ProjectReference();
}
