using MsResampler.Kernels.Device.Cuda;
using MsResampler.Kernels.Forward;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Loading kernels: as machine code from the cache, or as PTX.</summary>
internal sealed class CudaLoaderTests : CudaFixture
{
    private const int LaunchOutOfResources = 701;
    private const int IllegalAddress = 700;
    private const int OutOfMemory = 2;

    private TemporaryFolder _folder = null!;

    private KernelCache Cache => new(_folder.Path);

    [SetUp]
    public void CreateFolder() => _folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    [Test]
    public void The_second_start_neither_compiles_nor_uses_the_compiler_of_the_driver()
    {
        KernelVariant[] variants = [.. CommonKernels.All];
        Assert.That(Start(variants), Is.EqualTo((variants.Length, variants.Length)));
        MockDriver.Reset();
        MockDriver.SetJit(isMissing: true);
        Assert.That(Start(variants), Is.EqualTo((0, 0)));
        Assert.That(MockDriver.ModuleLoadCount, Is.EqualTo(variants.Length));
    }

    [Test]
    public void Machine_code_is_used_only_on_its_architecture_and_with_its_driver()
    {
        Load(expectedJits: 1);
        MockDriver.SetDevice(0, "Another", architecture: 86);
        Load(expectedJits: 1);
        MockDriver.SetDriver(12_060, 1);
        Load(expectedJits: 1);
        Load(expectedJits: 0);
        MockDriver.SetDriver(12_040, 1);
        Load(expectedJits: 0);
    }

    [TestCase("damaged")]
    [TestCase("foreign")]
    [TestCase("without the entry")]
    public void Unusable_machine_code_is_replaced(string state)
    {
        Load(expectedJits: 1);
        KernelKey key = KernelKey.OfMachineCode(Kernel.Ptx, 80, "12.4");
        string file = Directory.GetFiles(_folder.Path).Single();
        byte[] content = File.ReadAllBytes(file);
        if (state == "damaged")
            File.WriteAllBytes(file, [.. content[..^20], (byte)(content[^20] ^ 1), .. content[^19..]]);
        else if (state == "foreign")
            Cache.WriteBytes(key, "\u007fELF is not for this driver"u8);
        else
            WriteCodeOfAnotherEntry(key);

        Load(expectedJits: 1);

        Assert.That(File.ReadAllBytes(file), Is.EqualTo(content));
        Load(expectedJits: 0);
    }

    [Test]
    public void Machine_code_of_an_assembler_is_used_unless_the_driver_refuses_it()
    {
        Load(expectedJits: 1);
        byte[] code = Cache.ReadBytes(KernelKey.OfMachineCode(Kernel.Ptx, 80, "12.4"))!;
        Directory.Delete(_folder.Path, recursive: true);
        Cache.WriteBytes(KernelKey.OfMachineCode(Kernel.Ptx, 80, driverVersion: null), code);

        MockDriver.SetDriver(12_060, 1);
        Load(expectedJits: 0);
        MockDriver.SetDriver(12_020, 1);
        Load(expectedJits: 1);
        Load(expectedJits: 0);
    }

    [TestCase("cuLinkCreate")]
    [TestCase("cuLinkAddData")]
    [TestCase("cuLinkComplete")]
    [TestCase("cuModuleLoadDataEx")]
    public void The_text_is_loaded_if_its_machine_code_cannot_be(string call)
    {
        MockDriver.Fail(call, LaunchOutOfResources);
        using (CudaDevice device = new(0, Cache))
            Assert.That(() => device.Load(Kernel), Throws.Nothing);
        Assert.That(Directory.GetFiles(_folder.Path), Is.Empty);
    }

    [TestCase("cuLinkAddData")]
    [TestCase("cuModuleLoadDataEx")]
    [TestCase("cuModuleGetFunction")]
    public void An_error_that_ends_the_context_is_reported_at_once(string call)
    {
        using (CudaDevice device = new(0, Cache))
        {
            MockDriver.Fail(call, IllegalAddress, isSticky: true);
            Assert.That(() => device.Load(Kernel), Throws.TypeOf<DeviceException>()
                .With.Message.Contains($"{call} failed with").And.Property(nameof(DeviceException.IsDeviceLost)).True);
        }

        MockDriver.Reset();
    }

    [Test]
    public void Many_threads_load_each_kernel_once()
    {
        KernelVariant[] variants = [.. CommonKernels.All];
        MockDriver.SetJit(milliseconds: 50);
        using CudaDevice device = new(0);
        KernelLibrary library = new(device, EmulatorHost.Compiler);
        IDeviceKernel[] kernels = new IDeviceKernel[8 * variants.Length];
        Thread[] threads = [.. Enumerable.Range(0, 8).Select(thread => new Thread(() =>
        {
            for (int index = 0; index < variants.Length; index++)
                kernels[(thread * variants.Length) + index] = library.Get(variants[index]);
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Assert.That(kernels.Distinct().Count(), Is.EqualTo(variants.Length));
        Assert.That(MockDriver.JitCount, Is.EqualTo(variants.Length));
    }

    [Test]
    public void Other_operations_continue_while_a_kernel_is_compiled()
    {
        const int Milliseconds = 1_000;
        KernelVariant variant = CommonKernels.All[0];
        variant.Compile(EmulatorHost.Compiler, 80);
        byte[] content = Bytes(1_000, 1);
        byte[] result = new byte[content.Length];
        using CudaDevice device = new(0);
        KernelLibrary library = new(device, EmulatorHost.Compiler);
        using IDeviceStream stream = device.CreateStream();
        IDeviceKernel other = device.Load(Kernel);
        MockDriver.SetJit(Milliseconds);
        Thread loading = new(() => library.Get(variant));
        loading.Start();
        SpinWait.SpinUntil(() => MockDriver.JitCount == 2);

        using (IDeviceMemory memory = device.Allocate(content.Length))
        {
            stream.Upload(content, memory);
            stream.Launch(other, new LaunchSize(1, 1, 32), new byte[24]);
            stream.Download(memory, result);
        }

        device.CreateStream().Dispose();
        bool isLoading = MockDriver.ModuleLoadCount == 1;
        loading.Join();
        Assert.That(isLoading, "an operation waited for the compiler");
        Assert.That(result, Is.EqualTo(content));
    }

    [Test]
    public void A_kernel_that_failed_to_load_can_be_loaded_later()
    {
        using CudaDevice device = new(0);
        KernelLibrary library = new(device, EmulatorHost.Compiler);
        KernelVariant variant = CommonKernels.All[0];
        MockDriver.Fail("cuModuleLoadDataEx", OutOfMemory);
        Assert.That(() => library.Get(variant), Throws.TypeOf<DeviceException>().With.Message.Contains(variant.Name));
        Assert.That(library.Get(variant).Kernel.Name, Is.EqualTo(variant.Name));
    }

    [TestCase(1, 49_152, false)]
    [TestCase(2, 24_576, false)]
    [TestCase(2, 24_592, true)]
    public void Shared_memory_is_preferred_to_cache_if_several_blocks_need_it(int blockCount, int sharedBytes,
        bool isPreferred)
    {
        CompiledKernel kernel = Kernel with
        {
            BlockCount = blockCount,
            // The assembler leaves out memory that is not used.
            Ptx = Kernel.Ptx.Replace(".visible", $".shared .align 16 .b8 tile[{sharedBytes}];\n.visible")
                .Replace("ret;", "st.volatile.shared.u32 [tile], 0;\nret;"),
        };
        using CudaDevice device = new(0);
        device.Load(kernel);
        MockDriver.Fail("cuFuncSetAttribute", LaunchOutOfResources);
        Assert.That(() => device.Load(kernel), Throws.Nothing, "a refusal has no effect");
        Assert.That(MockDriver.Log("cuFuncSetAttribute").Contains(
            "cuFuncSetAttribute name=scale attribute=9 value=100"), Is.EqualTo(isPreferred));
    }

    /// <summary>Loads a kernel on a new device.</summary>
    private void Load(int expectedJits)
    {
        int before = MockDriver.JitCount;
        using CudaDevice device = new(0, Cache);
        using IDeviceStream stream = device.CreateStream();
        stream.Launch(device.Load(Kernel), new LaunchSize(1, 1, 32), new byte[24]);
        stream.Synchronize();
        Assert.That(MockDriver.JitCount - before, Is.EqualTo(expectedJits));
    }

    /// <summary>Loads kernels as a new process does.</summary>
    /// <returns>The kernels that were compiled to PTX, and those that the driver compiled.</returns>
    private (int Compilations, int Jits) Start(KernelVariant[] variants)
    {
        KernelCompiler compiler = new(Cache, PtxVersion.Default);
        using CudaDevice device = new(0, Cache);
        KernelLibrary library = new(device, compiler);
        foreach (KernelVariant variant in variants)
            library.Get(variant);
        return (compiler.CompilationCount, MockDriver.JitCount);
    }

    private void WriteCodeOfAnotherEntry(KernelKey key)
    {
        CompiledKernel another = Kernel with { Ptx = Kernel.Ptx.Replace("scale", "other"), EntryName = "other" };
        using CudaDevice device = new(0, Cache);
        device.Load(another);
        Cache.WriteBytes(key, Cache.ReadBytes(KernelKey.OfMachineCode(another.Ptx, 80, "12.4"))!);
    }
}
