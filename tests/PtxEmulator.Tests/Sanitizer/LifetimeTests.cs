namespace PtxEmulator.Tests;

/// <summary>The lifetime of buffers, warps that hang, and blocks with a partial last warp.</summary>
internal sealed class LifetimeTests
{
    private const string Touch = """
        .visible .entry touch(.param .u64 buffer)
        {
            .reg .b64 %a;
            .reg .b32 %r;
            ld.param.u64 %a, [buffer];
            st.global.u32 [%a+8], 1;
            ld.global.u32 %r, [%a+8];
            ret;
        }
        """;

    [TestCase("st.global.u32 [%a+8], 1;"), TestCase("ld.global.u32 %r, [%a+8];"),
        TestCase("atom.global.add.u32 %r, [%a+8], 1;"), TestCase("st.u32 [%a+8], 1;")]
    public void A_kernel_must_not_access_freed_memory(string instruction)
    {
        using KernelRun run = new($$"""
            .visible .entry late(.param .u64 buffer)
            {
                .reg .b64 %a;
                .reg .b32 %r;
                ld.param.u64 %a, [buffer];
                {{instruction}}
                ret;
            }
            """);
        ulong buffer = run.Buffer(new int[4], "gone");
        run.Gpu.Free(buffer);

        PtxFaultException error = Assert.Throws<PtxFaultException>(() => run.Launch(1, 1, buffer))!;

        Assert.That(error.Kind, Is.EqualTo(PtxFaultKind.FreedMemory), error.Message);
        Assert.That(error.Address, Is.EqualTo(buffer + 8), error.Message);
        Assert.That((error.Kernel, error.Block, error.Thread),
            Is.EqualTo(("late", (Dim3?)default(Dim3), (Dim3?)default(Dim3))), error.Message);
        Assert.That(instruction, Does.StartWith(error.Instruction), error.Message);
        Assert.That(error.Message, Does.Contain("gone"), "the buffer's name");
    }

    [Test]
    public void Reallocated_memory_is_uninitialised()
    {
        using KernelRun run = new(Touch);
        ulong first = run.Buffer(new int[4]);
        run.Gpu.Free(first);
        ulong second = run.Unwritten(16);

        run.Launch(1, 1, second);

        Assert.That(run.Read<int>(second + 8, 1)[0], Is.EqualTo(1));
        Assert.That(Assert.Throws<PtxFaultException>(() => run.Read<int>(second, 1))!.Kind,
            Is.EqualTo(PtxFaultKind.UninitializedRead));
    }

    [Test]
    public void A_buffer_can_be_freed_only_once()
    {
        using KernelRun run = new(Touch);
        ulong buffer = run.Buffer(new int[4]);
        run.Gpu.Free(buffer);

        Assert.That(Assert.Throws<PtxFaultException>(() => run.Gpu.Free(buffer))!.Kind,
            Is.EqualTo(PtxFaultKind.FreedMemory));
    }

    [Test]
    public void Only_the_start_of_a_buffer_can_be_freed()
    {
        using KernelRun run = new(Touch);
        ulong buffer = run.Buffer(new int[4]);

        Assert.That(() => run.Gpu.Free(buffer + 4), Throws.InstanceOf<PtxFaultException>());
    }

    [Test]
    public void Host_copies_are_checked_against_the_same_bounds()
    {
        using KernelRun run = new(Touch);
        ulong buffer = run.Buffer(new int[4], "words");
        PtxFaultException error = Assert.Throws<PtxFaultException>(() => run.Gpu.Write(buffer, new byte[17]))!;

        Assert.That(error.Kind, Is.EqualTo(PtxFaultKind.OutOfBounds));
        Assert.That(error.Message, Does.Contain("words"));
        Assert.That((error.Kernel, error.Block, error.Thread), Is.EqualTo(((string?)null, (Dim3?)null, (Dim3?)null)));
        Assert.That(Assert.Throws<PtxFaultException>(() => run.Read<byte>(buffer + 8, 9))!.Kind,
            Is.EqualTo(PtxFaultKind.OutOfBounds));
        run.Gpu.Free(buffer);
        Assert.That(Assert.Throws<PtxFaultException>(() => run.Gpu.Write(buffer, new byte[1]))!.Kind,
            Is.EqualTo(PtxFaultKind.FreedMemory));
        Assert.That(Assert.Throws<PtxFaultException>(() => run.Read<byte>(buffer, 1))!.Kind,
            Is.EqualTo(PtxFaultKind.FreedMemory));
    }

    [Test]
    public void Allocations_are_counted_aligned_and_separated()
    {
        using EmulatedGpu gpu = new(new());
        ulong first = gpu.Allocate(100);
        ulong second = gpu.Allocate(1);

        Assert.That(gpu.AllocatedBytes, Is.EqualTo(101));
        Assert.That((first % 256, second % 256), Is.EqualTo((0UL, 0UL)));
        Assert.That(Math.Abs((long)(second - first)), Is.GreaterThanOrEqualTo(256));
        gpu.Free(first);
        Assert.That(gpu.AllocatedBytes, Is.EqualTo(1));
    }

    [Test]
    public void An_allocation_beyond_the_device_memory_is_an_error()
    {
        using EmulatedGpu gpu = new(new() { MemoryBytes = 1 << 20 });

        Assert.That(() => gpu.Allocate(2 << 20, "weights"), Throws.InstanceOf<InsufficientMemoryException>());
        Assert.That(gpu.Allocate(1 << 19), Is.Not.Zero);
    }

    [Test]
    public void Freed_memory_is_reused()
    {
        using EmulatedGpu gpu = new(new() { MemoryBytes = 1 << 20 });

        for (int round = 0; round < 100; round++)
            gpu.Free(gpu.Allocate(1 << 19));

        Assert.That(gpu.AllocatedBytes, Is.Zero);
    }

    [Test]
    public void A_hanging_warp_is_an_error()
    {
        using KernelRun run = new("""
            .visible .entry hang()
            {
                .reg .pred %p;
                .reg .b32 %i;
                mov.u32 %i, %tid.x;
                setp.eq.u32 %p, %i, 3;
                LOOP:
                @%p bra LOOP;
                ret;
            }
            """, new() { MaxWarpInstructions = 10_000 });

        PtxFaultException error = Assert.Throws<PtxFaultException>(() => run.Launch(1, 32))!;

        Assert.That(error.Kind, Is.EqualTo(PtxFaultKind.Timeout), error.Message);
        Assert.That(error.Kernel, Is.EqualTo("hang"));
        Assert.That(error.Instruction, Does.Contain("bra LOOP"));
    }

    [TestCase(32, true), TestCase(64, true), TestCase(48, false), TestCase(16, false)]
    public void A_shuffle_needs_a_full_last_warp(int threadCount, bool isFull)
    {
        using KernelRun run = new("""
            .visible .entry shuffle()
            {
                .reg .b32 %i, %r;
                mov.u32 %i, %tid.x;
                shfl.sync.idx.b32 %r, %i, 0, 31, 0xffffffff;
                ret;
            }
            """);

        if (isFull)
            Assert.That(run.Launch(1, threadCount).Count("shfl"), Is.EqualTo(threadCount / 32));
        else
            Assert.That(Assert.Throws<PtxFaultException>(() => run.Launch(1, threadCount))!.Kind,
                Is.EqualTo(PtxFaultKind.PartialWarp));
    }

    [Test]
    public void A_device_is_usable_after_a_fault()
    {
        using KernelRun run = new(Touch);
        ulong buffer = run.Buffer(new int[4]);

        Assert.That(() => run.Launch(1, 1, buffer + 8), Throws.InstanceOf<PtxFaultException>());
        run.Launch(1, 1, buffer);

        Assert.That(run.Read<int>(buffer, 4), Is.EqualTo(new[] { 0, 0, 1, 0 }));
    }
}
